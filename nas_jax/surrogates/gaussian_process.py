"""Exact Gaussian-process regression with maximum a posteriori hyperparameters, built on GPJax.

Inputs are scaled to [0, 1] by the range of the training data and targets are standardised, so hyperparameters
are in units of a feature's range and of the targets' standard deviation. The prior mean is the targets' mean.

The prior. Logarithms of hyperparameters are jointly Gaussian, and the density that is maximised is theirs.
Every lengthscale has the dimension-scaled prior of Hvarfner, Hellsten & Nardi, "Vanilla Bayesian Optimization
Performs Great in High Dimensions" (ICML 2024, sec. 4), log l ~ N(sqrt(2) + log(d) / 2, 3), where d counts the
features that vary. Drawn independently, 30 lengthscales still overfit 100 points. Here they share the fraction
`sharing` of their log-variance, so the marginals are the paper's while features depart from their common
lengthscale only as far as the data insist: 0 is the paper's prior, 1 a single lengthscale. The default has the
best ranks at honest intervals on NAS-Bench-201 (`experiments/lengthscale_prior`). The noise variance is log-normal
around exp(-4) (spread 1), as in BoTorch's default; the signal variance around 1 (spread 1).

Rows are padded to a few sizes (`padding.py`), each compiled once. A padding row's known likelihood is subtracted.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import gpjax as gpx
import jax
import jax.numpy as jnp
import numpy as np
from gpjax.kernels.computations import DenseKernelComputation
from gpjax.parameters import Real, val
from jaxtyping import Float

from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.checks import query_array, training_arrays
from nas_jax.surrogates.distances import squared_distances
from nas_jax.surrogates.lbfgs import minimise
from nas_jax.surrogates.padding import pad, padded_size
from nas_jax.surrogates.precision import double_precision
from nas_jax.surrogates.scaling import Scaling, scaling_of

_KERNELS = {
    "rbf": gpx.kernels.RBF,
    "matern12": gpx.kernels.Matern12,
    "matern32": gpx.kernels.Matern32,
    "matern52": gpx.kernels.Matern52,
}
_LOG_LENGTHSCALE = (2**0.5, 3**0.5)  # mean (for one feature) and deviation of the prior
_LOG_NOISE_VARIANCE = (-4.0, 1.0)
_LOG_SIGNAL_VARIANCE = (0.0, 1.0)
_JITTERS = (0.0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0)  # in signal variances; with the last no factorisation fails
_CHUNK = 512  # points that one call predicts


class GaussianProcessState(NamedTuple):
    """A conditioned Gaussian process: NumPy arrays in float64.

    Lengthscales are in units of a feature's training range; `signal_std`, `noise_std`, `y` and the likelihood
    are in units of the targets' standard deviation.
    """

    x: np.ndarray  # [n, d], scaled
    y: np.ndarray  # [n], standardised
    lengthscales: np.ndarray  # [d], all equal for an isotropic kernel
    signal_std: float
    noise_std: float  # includes what had to be added to factorise the covariance
    factor: np.ndarray  # [n, n], lower Cholesky factor of the covariance of `y`
    weights: np.ndarray  # [n], inverse covariance times `y`
    log_marginal_likelihood: float  # log p(y | x, hyperparameters)
    scaling: Scaling


@dataclass(frozen=True)
class GaussianProcess:
    """Settings of an exact Gaussian process; see the module's docstring for the prior.

    Args:
        kernel: "rbf", "matern12", "matern32" or "matern52".
        ard: One lengthscale a feature; else a single one.
        sharing: With `ard`, the correlation of log-lengthscales under the prior, from 0 to 1.
        num_starts: Optimisations: the first from the prior mode, all others from draws of the prior.
        max_evaluations: Likelihood evaluations that each start may use.
        min_noise_std: Least noise that a fit can find, in standard deviations of the targets.
        upper_bound: No target reaches it (accuracies: a little above one); see `scaling.py`.
        padding: Training rows are padded to a multiple of this, and of more where there are many rows.

    Raises:
        ValueError: an unknown kernel or a setting out of its range.
    """

    kernel: str = "matern52"
    ard: bool = True
    sharing: float = 0.95
    num_starts: int = 4
    max_evaluations: int = 150
    min_noise_std: float = 1e-3
    upper_bound: float | None = None
    padding: int = 32

    def __post_init__(self) -> None:
        if self.kernel not in _KERNELS:
            raise ValueError(f"unknown kernel {self.kernel!r}; choose from {', '.join(sorted(_KERNELS))}")
        if not (0 <= self.sharing <= 1 and self.min_noise_std > 0):
            raise ValueError(f"sharing must lie between 0 and 1, and min_noise_std above 0: {self}")
        if min(self.num_starts, self.max_evaluations, self.padding) < 1:
            raise ValueError(f"num_starts, max_evaluations and padding must be at least 1: {self}")

    def fit(self, key: jax.Array, x: Any, y: Any) -> GaussianProcessState:
        """Finds hyperparameters of highest posterior density and conditions on `x` `[n, d]` and `y` `[n]`.

        Starts differ with `key`; a start that ends at a value which is not finite is left out.

        Raises:
            ValueError: empty data, shapes that do not match, NaN, infinite or huge values.
        """
        x, y = training_arrays(x, y)
        scaling = scaling_of(x, y, self.upper_bound)
        x, y = scaling.inputs(x), scaling.targets(y)
        log_lengthscale = _LOG_LENGTHSCALE[0] + 0.5 * np.log(max(1, int(np.count_nonzero(scaling.x_range))))
        num_coordinates = 3 + (x.shape[1] if self.ard else 0)
        with double_precision():
            draws = jax.random.normal(key, (self.num_starts - 1, num_coordinates), jnp.float64)
            starts = np.concatenate([np.zeros((1, num_coordinates)), draws])  # the prior mode first
            costs, ends = _search(self, starts, *self._padded(x, y), float(len(y)), log_lengthscale)
        best = np.argmin(np.where(np.isfinite(costs), costs, np.inf))
        lengthscales, signal_std, noise_std = (np.asarray(values)[best] for values in ends)
        return self._condition(x, y, lengthscales, signal_std, noise_std, scaling)

    def condition_on(
        self, x: Any, y: Any, *, lengthscales: Any, signal_std: float, noise_std: float
    ) -> GaussianProcessState:
        """Conditions on `x` `[n, d]` and `y` `[n]` with given hyperparameters, in the units of the state.

        Args:
            lengthscales: One number, or one for each feature (whatever `ard` says).

        Raises:
            ValueError: as `fit`; hyperparameters of a wrong shape or out of their range.
        """
        x, y = training_arrays(x, y)
        lengthscales = np.array(lengthscales, np.float64)
        if lengthscales.shape not in ((), (x.shape[1],)):
            raise ValueError(f"lengthscales must be one or {x.shape[1]} numbers, got shape {lengthscales.shape}")
        are_scales_valid = np.all((lengthscales > 0) & (lengthscales < np.inf)) and 0 < signal_std < np.inf
        if not (are_scales_valid and 0 <= noise_std < np.inf):
            raise ValueError("lengthscales, signal_std and noise_std must be finite and positive (noise may be zero)")
        scaling = scaling_of(x, y, self.upper_bound)
        x, y, lengthscales = scaling.inputs(x), scaling.targets(y), np.broadcast_to(lengthscales, x.shape[1])
        return self._condition(x, y, lengthscales, signal_std, noise_std, scaling)

    def predict(self, state: GaussianProcessState, x_new: Any, *, with_noise: bool = False) -> Posterior:
        """Marginal predictions at `x_new` `[m, d]`, in units of the targets, as float32.

        Raises:
            ValueError: another number of features, NaN, infinite or huge values.
        """
        queries = state.scaling.inputs(query_array(x_new, state.x.shape[1]))
        num_queries, num_rows = len(queries), len(state.y)
        x, weights = self._padded(state.x, state.weights)
        factor = np.eye(len(x))
        factor[:num_rows, :num_rows] = state.factor
        queries, _ = pad(queries, np.zeros(num_queries), -(-num_queries // _CHUNK) * _CHUNK)
        mean, variance = np.empty(len(queries)), np.empty(len(queries))
        with double_precision():
            for low in range(0, len(queries), _CHUNK):
                here = slice(low, low + _CHUNK)
                mean[here], variance[here] = _predict(
                    self.kernel, x, factor, weights, state.lengthscales, state.signal_std, queries[here]
                )
        std = np.sqrt(np.maximum(variance, 0.0) + with_noise * state.noise_std**2)
        mean, std = state.scaling.moments(mean, std)
        std = np.maximum(std, np.finfo(np.float32).tiny)  # never zero, not even after rounding
        return Posterior(jnp.asarray(mean[:num_queries], jnp.float32), jnp.asarray(std[:num_queries], jnp.float32))

    def _condition(
        self,
        x: Float[np.ndarray, "n d"],
        y: Float[np.ndarray, "n"],
        lengthscales: Float[np.ndarray, "d"],
        signal_std: float,
        noise_std: float,
        scaling: Scaling,
    ) -> GaussianProcessState:
        """A state from scaled data. Noise grows until the covariance can be factorised."""
        num_rows, padded = len(y), self._padded(x, y)
        for jitter in _JITTERS:
            noise = float(np.sqrt(noise_std**2 + jitter * signal_std**2))
            with double_precision():
                factor, weights, likelihood = _factorise(
                    self.kernel, *padded, float(num_rows), lengthscales, float(signal_std), noise
                )
            if np.isfinite(likelihood):
                break
        return GaussianProcessState(
            x=x,
            y=y,
            lengthscales=np.array(lengthscales),
            signal_std=float(signal_std),
            noise_std=noise,
            factor=np.array(factor)[:num_rows, :num_rows],
            weights=np.array(weights)[:num_rows],
            log_marginal_likelihood=float(likelihood),
            scaling=scaling,
        )

    def _padded(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return pad(x, y, padded_size(len(y), self.padding))


make = GaussianProcess


class _ByDistance(DenseKernelComputation):
    """Evaluates a stationary kernel as a function of distance alone.

    GPJax's own engine differentiates pair by pair and feature by feature: five times as long at 128 x 30.
    """

    def _cross_covariance(self, kernel, x, y):
        lengthscales = val(kernel.lengthscale)[None, :]
        squares = squared_distances(x / lengthscales, y / lengthscales)
        distances = jnp.sqrt(jnp.maximum(squares, 1e-36))  # a square root has no slope at zero
        radial = type(kernel)(lengthscale=Real(jnp.ones(())), variance=kernel.variance)
        return jax.vmap(jax.vmap(lambda distance: radial(distance[None], jnp.zeros(1))))(distances)


def _joint(kernel: str, lengthscales: jax.Array, signal_std: jax.Array, noise_std: jax.Array) -> Any:
    """GPJax's p(f, y). `Real` keeps our values as they are; its jitter is zero because ours is part of the noise."""
    covariance = _KERNELS[kernel](
        lengthscale=Real(jnp.append(lengthscales, 1.0)),  # of the padding's own coordinate
        variance=Real(jnp.square(signal_std)),
        compute_engine=_ByDistance(),
    )
    prior = gpx.gps.Prior(kernel=covariance, mean_function=gpx.mean_functions.Zero(), jitter=0.0)
    return prior * gpx.likelihoods.Gaussian(obs_stddev=noise_std)


def _posterior(
    joint: Any, x: Float[jax.Array, "p c"], y: Float[jax.Array, "p"], num_rows: Float[jax.Array, ""]
) -> tuple[Any, Float[jax.Array, ""]]:
    """GPJax's posterior of all rows, and the log marginal likelihood of those that are no padding."""
    posterior = joint.condition(gpx.Dataset(x, y[:, None]))
    lone_variance = val(joint.prior.kernel.variance) + val(joint.likelihood.obs_stddev) ** 2
    lone_likelihood = -0.5 * jnp.log(2 * jnp.pi * lone_variance)
    return posterior, posterior.log_marginal_likelihood - (x.shape[0] - num_rows) * lone_likelihood


def _log_likelihood(
    joint: Any, x: Float[jax.Array, "p c"], y: Float[jax.Array, "p"], num_rows: Float[jax.Array, ""]
) -> Float[jax.Array, ""]:
    """The log marginal likelihood, with the gradient of Rasmussen & Williams (2006), eq. 5.9.

    The inverse covariance gives the slope, so the Cholesky factor itself is never differentiated.
    """
    posterior, likelihood = jax.lax.stop_gradient(_posterior(joint, x, y, num_rows))
    weights = posterior.representer_weights  # [p, 1]
    inverse = jax.scipy.linalg.cho_solve((posterior.cholesky_factor, True), jnp.eye(x.shape[0]))
    is_real = (jnp.arange(x.shape[0]) < num_rows)[:, None]
    slope = jnp.where(is_real, 0.5 * (weights @ weights.T - inverse), 0.0)
    noise_variance = val(joint.likelihood.obs_stddev) ** 2
    linear = jnp.sum(slope * joint.prior.kernel.gram(x).as_matrix()) + jnp.trace(slope) * noise_variance
    return likelihood + (linear - jax.lax.stop_gradient(linear))


def _hyperparameters(
    settings: GaussianProcess, z: Float[jax.Array, "k"], num_features: int, log_lengthscale: Float[jax.Array, ""]
) -> tuple[Float[jax.Array, "d"], Float[jax.Array, ""], Float[jax.Array, ""]]:
    """Lengthscales, signal and noise deviations of coordinates whose prior is standard normal."""
    noise_variance = jnp.exp(_LOG_NOISE_VARIANCE[0] + _LOG_NOISE_VARIANCE[1] * z[0])
    signal_variance = jnp.exp(_LOG_SIGNAL_VARIANCE[0] + _LOG_SIGNAL_VARIANCE[1] * z[1])
    if settings.ard:
        departure = settings.sharing**0.5 * z[2] + (1 - settings.sharing) ** 0.5 * z[3:]
    else:
        departure = jnp.full(num_features, z[2])
    lengthscales = jnp.exp(log_lengthscale + _LOG_LENGTHSCALE[1] * departure)
    return lengthscales, jnp.sqrt(signal_variance), jnp.sqrt(settings.min_noise_std**2 + noise_variance)


@partial(jax.jit, static_argnames="settings")
def _search(settings, starts, x, y, num_rows, log_lengthscale):
    """All starts at once: their negative log posterior densities `[s]`, and the hyperparameters they end at."""
    at = partial(_hyperparameters, settings, num_features=x.shape[1] - 1, log_lengthscale=log_lengthscale)

    def cost(z):
        return 0.5 * z @ z - _log_likelihood(_joint(settings.kernel, *at(z)), x, y, num_rows)

    descend = partial(minimise, jax.value_and_grad(cost), max_evaluations=settings.max_evaluations)
    ends, costs = jax.vmap(descend)(starts)
    return costs, jax.vmap(at)(ends)


@partial(jax.jit, static_argnames="kernel")
def _factorise(kernel, x, y, num_rows, lengthscales, signal_std, noise_std):
    posterior, likelihood = _posterior(_joint(kernel, lengthscales, signal_std, noise_std), x, y, num_rows)
    return posterior.cholesky_factor, posterior.representer_weights[:, 0], likelihood


@partial(jax.jit, static_argnames="kernel")
def _predict(kernel, x, factor, weights, lengthscales, signal_std, queries):
    """Mean and variance from the stored factor (eqs. 2.25 and 2.26), where GPJax would factorise again."""
    prior = _joint(kernel, lengthscales, signal_std, jnp.ones(())).prior
    covariance = prior.kernel.cross_covariance(x, queries)  # [p, c]
    explained = jax.scipy.linalg.solve_triangular(factor, covariance, lower=True)
    return weights @ covariance, signal_std**2 - jnp.sum(explained**2, axis=0)
