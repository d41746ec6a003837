"""What a Gaussian process learned, and how it is made of data, hyperparameters and a factorisation."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nas_jax.surrogates.checks import noise_array
from nas_jax.surrogates.exact import Factorisation
from nas_jax.surrogates.hyperparameters import Hyperparameters
from nas_jax.surrogates.padding import pad
from nas_jax.surrogates.programs import Conditioned
from nas_jax.surrogates.scaling import Scaling


class GaussianProcessState(NamedTuple):
    """A conditioned Gaussian process: NumPy arrays in float64.

    Lengthscales are in units of a feature's training range; `y`, the deviations and the likelihood are in units of
    the warped targets' standard deviation.
    """

    x: np.ndarray  # [n, d], scaled
    y: np.ndarray  # [n], warped and standardised
    known_noise_std: np.ndarray  # [n], given with the data
    lengthscales: np.ndarray  # [d]
    signal_std: float
    noise_std: float  # of every measurement beyond the known one; includes what a factorisation needed
    shape: np.ndarray  # [1] for the alpha of "rational_quadratic", else [0]
    mean_parameters: np.ndarray  # [q], what the mean function learned; "linear": intercept and slopes; "constant": [0]
    inverse_factor: np.ndarray  # [n, n], inverse of the lower Cholesky factor of the covariance of `y`
    weights: np.ndarray  # [n], inverse covariance times (`y` less the mean function)
    log_marginal_likelihood: float  # log p(y | x, hyperparameters)
    scaling: Scaling
    others: tuple["GaussianProcessState", ...] = ()  # further draws of the hyperparameters, given the same data

    @property
    def members(self) -> tuple["GaussianProcessState", ...]:
        """The processes over which predictions average: one for each draw of the hyperparameters."""
        return self._replace(others=()), *self.others

    @classmethod
    def of_members(cls, members: Sequence["GaussianProcessState"]) -> "GaussianProcessState":
        """The first, with all others in it."""
        return members[0]._replace(others=tuple(members[1:]))


def scaled_data(scaling: Scaling, x: np.ndarray, y: np.ndarray, noise_std: Any) -> tuple[np.ndarray, ...]:
    """Scaled inputs `[n, d]`, targets `[n]` and known noise variances `[n]`.

    Raises:
        ValueError: known deviations of another shape, or that are negative or not finite.
    """
    noise_std = scaling.noise(y, noise_array(noise_std, len(y)))
    return scaling.inputs(x), scaling.targets(y), noise_std**2


def state_of(
    data: tuple[np.ndarray, ...], found: Hyperparameters, result: Factorisation, scaling: Scaling
) -> GaussianProcessState:
    """The state of scaled data that were conditioned on with these hyperparameters."""
    x, y, noise_variance = data
    return GaussianProcessState(
        x=x,
        y=y,
        known_noise_std=np.sqrt(noise_variance),
        lengthscales=np.array(found.lengthscales),
        signal_std=float(np.sqrt(found.signal_variance)),
        noise_std=float(np.sqrt(result.noise_variance)),
        shape=np.array(found.shape),
        mean_parameters=np.array(found.mean),
        inverse_factor=result.inverse_factor,
        weights=result.weights,
        log_marginal_likelihood=result.log_likelihood,
        scaling=scaling,
    )


def hyperparameters_of(state: GaussianProcessState) -> Hyperparameters:
    variances = np.asarray(state.signal_std**2), np.asarray(state.noise_std**2)
    return Hyperparameters(state.lengthscales, *variances, state.shape, state.mean_parameters)


def conditioned_of(kernel: Any, mean: Any, state: GaussianProcessState) -> Conditioned:
    """What the programs take of a state, padded."""
    rows = pad(state.x, state.weights, state.known_noise_std**2)
    inverse_factor = np.pad(state.inverse_factor, (0, len(rows.y) - len(state.y)))
    return Conditioned(kernel, hyperparameters_of(state), rows, inverse_factor, mean)


def left_out(state: GaussianProcessState) -> tuple[Float[np.ndarray, "k n"], Float[np.ndarray, "k n"]]:
    """What each of k processes expects of each training measurement given all others: means and variances."""
    precisions = np.array([np.sum(member.inverse_factor**2, axis=0) for member in state.members])
    weights = np.array([member.weights for member in state.members])
    return state.y - weights / precisions, 1 / precisions
