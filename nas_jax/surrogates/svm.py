"""Support-vector regression with a Gaussian (RBF) kernel, with deviations by bagging.

Inputs and targets are scaled and warped as for the Gaussian process (`scaling.py`, `warps.py`). The mean is that of one
machine on all rows. Machines on bootstrap samples say by their spread where it is uncertain, and by the residuals of
rows that they did not see how much noise there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist
from sklearn.svm import SVR

from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.checks import query_array, training_arrays
from nas_jax.surrogates.mixtures import held_out_noise, posterior_of
from nas_jax.surrogates.randomness import generator_of
from nas_jax.surrogates.scaling import Scaling, scaling_of
from nas_jax.surrogates.settings import check_at_least, check_warp

_CHUNK = 2048  # points predicted at a time, so that memory does not grow with points times rows


class Choice(NamedTuple):
    """Hyperparameters of a machine."""

    c: float  # C: cost of a residual beyond the tube, for targets of deviation one
    gamma: float  # of the kernel exp(-gamma d^2), for scaled inputs
    epsilon: float  # half the width of the tube, in deviations of the targets


class SVMState(NamedTuple):
    """Machines that share their kernel; row 0 is the one on all data, the others are its replicas."""

    x: np.ndarray  # [n, d], scaled
    dual: np.ndarray  # [1 + num_replicas, n], dual coefficients
    intercept: np.ndarray  # [1 + num_replicas]
    choice: Choice
    noise_std: float  # in units of the warped targets' standard deviation
    scaling: Scaling


@dataclass(frozen=True)
class SVM:
    """Settings of support-vector regression (Smola & Schölkopf, "A tutorial on support vector regression", 2004).

    C, gamma and epsilon are those of least squared error in cross-validation, from all combinations of what is given.

    Args:
        costs: Values of C.
        gammas: Values of gamma, times what scikit-learn calls "scale": one over the inputs' total variance.
        epsilons: Values of epsilon, in deviations of the targets.
        num_folds: Folds of the cross-validation.
        num_replicas: Machines on bootstrap samples.
        warp: "sinh_arcsinh", "log_distance" or "identity", as of the Gaussian process.
        upper_bound: With "log_distance", what no target reaches.

    Raises:
        ValueError: an unknown warp or a setting out of its range.
    """

    costs: Sequence[float] = (1.0, 10.0, 100.0)
    gammas: Sequence[float] = (0.1, 0.3, 1.0)
    epsilons: Sequence[float] = (0.03, 0.1)
    num_folds: int = 5
    num_replicas: int = 20
    warp: str = "sinh_arcsinh"
    upper_bound: float | None = None

    def __post_init__(self) -> None:
        check_at_least(2, num_folds=self.num_folds, num_replicas=self.num_replicas)
        check_warp(self.warp, self.upper_bound)
        for name in ("costs", "gammas", "epsilons"):
            values = getattr(self, name)
            if len(values) == 0 or min(values) <= 0:
                raise ValueError(f"{name} must be positive numbers, at least one, got {values}")

    def fit(self, key: jax.Array, x: Any, y: Any) -> SVMState:
        """Chooses hyperparameters, then learns `x` `[n, d]` and `y` `[n]`. Fewer than two rows leave no choice.

        Raises:
            ValueError: empty data, shapes that do not match, NaN, infinite or huge values.
        """
        x, y = training_arrays(x, y)
        scaling = scaling_of(x, y, self.warp, self.upper_bound)
        inputs, targets = scaling.inputs(x), scaling.targets(y)
        rng = generator_of(key)
        choice = self._choose(inputs, targets, rng)
        gram = _kernel(inputs, inputs, choice.gamma)
        weights = np.ones((1 + self.num_replicas, len(targets)), int)  # how often a machine sees a row
        for replica in weights[1:]:
            replica[:] = np.bincount(rng.integers(len(targets), size=len(targets)), minlength=len(targets))
        machines = [_train(gram, targets, choice, weight) for weight in weights]
        dual, intercept = (np.stack(parts) for parts in zip(*machines, strict=True))
        means = dual[1:] @ gram + intercept[1:, None]
        noise_std = held_out_noise(targets, means, np.zeros_like(means), weights[1:] == 0)
        return SVMState(inputs, dual, intercept, choice, noise_std, scaling)

    def predict(self, state: SVMState, x_new: Any, *, with_noise: bool = False) -> Posterior:
        """Marginal predictions at `x_new` `[m, d]`, in units of the targets.

        Raises:
            ValueError: another number of features, NaN, infinite or huge values.
        """
        queries = state.scaling.inputs(query_array(x_new, state.x.shape[1]))
        means = np.empty((len(state.dual), len(queries)))
        for low in range(0, len(queries), _CHUNK):
            kernel = _kernel(state.x, queries[low : low + _CHUNK], state.choice.gamma)
            means[:, low : low + _CHUNK] = state.dual @ kernel + state.intercept[:, None]
        variance = np.var(means[1:], axis=0) + with_noise * state.noise_std**2
        return posterior_of(state.scaling, means[0], variance)

    def _choose(self, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], rng: np.random.Generator) -> Choice:
        scale = 1.0 / (float(np.sum(np.var(x, axis=0))) or 1.0)
        choices = [Choice(c, gamma * scale, epsilon) for gamma, c, epsilon in self._grid()]
        num_folds = min(self.num_folds, len(y))
        if num_folds < 2:
            return choices[0]
        fold = rng.permutation(len(y)) % num_folds
        grams = {gamma: _kernel(x, x, gamma) for gamma in dict.fromkeys(choice.gamma for choice in choices)}

        def squared_error(choice: Choice) -> float:
            total = 0.0
            for held_out in range(num_folds):
                unseen, gram = fold == held_out, grams[choice.gamma]
                dual, intercept = _train(gram, y, choice, np.asarray(~unseen, int))
                total += float(np.sum((y[unseen] - gram[unseen] @ dual - intercept) ** 2))
            return total

        return min(choices, key=squared_error)

    def _grid(self) -> product:
        return product(self.gammas, self.costs, self.epsilons)


make = SVM


def _kernel(x: Float[np.ndarray, "n d"], x_new: Float[np.ndarray, "m d"], gamma: float) -> Float[np.ndarray, "n m"]:
    return np.exp(-gamma * cdist(x, x_new, "sqeuclidean"))


def _train(
    gram: Float[np.ndarray, "n n"], y: Float[np.ndarray, " n"], choice: Choice, weight: Any
) -> tuple[Float[np.ndarray, " n"], float]:
    """Dual coefficients and intercept of a machine that sees each row `weight` times."""
    rows = np.flatnonzero(weight)
    machine = SVR(kernel="precomputed", C=choice.c, epsilon=choice.epsilon)
    machine.fit(gram[np.ix_(rows, rows)], y[rows], sample_weight=np.asarray(weight)[rows].astype(float))
    dual = np.zeros(len(y))
    dual[rows[machine.support_]] = machine.dual_coef_[0]
    return dual, float(machine.intercept_[0])
