"""A Gaussian process of learning curves: of what measurements along many trainings say of the end of each.

A value of training i, of features x, after the share u of it (u = 1 is its end, on a logarithmic scale) is a sum of
independent processes:

    y_i(u) = trend(u) + f(x) + g(x, u) + s(x) (1 - u)        what features decide
                      + h(v) u                               what the beginning decides
                      + a_i + d_i(u) + s_i (1 - u) + noise   what is this training's own

`f`, `g` and `s` have the same kernel of the features. The own part is a constant, a deviation with an exponential
kernel of u, and a slope towards the end: it is what a curve tells beyond its features. Freeze-thaw (Swersky, Snoek &
Adams, "Freeze-Thaw Bayesian Optimization", 2014) has the asymptote `f` and own curves that decay around it; the trend
and slopes let a curve that still falls be told from one that has come to rest.

v is the rank of the training's value at the smallest share, among those of all, as a normal score; `h` has a Matern 3/2
kernel of it. Trainings that begin alike end alike, and need not end in the order in which they begin: networks that
collapse at once to a guess of the mean may have the least loss at first, and to the end rest there. Where that value is
not known, `h` is the training's own.

Hyperparameters maximise their posterior density.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.stats import norm, rankdata

from nas_jax.surrogates.arrays import as_numbers
from nas_jax.surrogates.base import Posterior, as_posterior
from nas_jax.surrogates.exact import log_density
from nas_jax.surrogates.hyperparameters import groups_of
from nas_jax.surrogates.kernels import correlation, stationary_kernel
from nas_jax.surrogates.lbfgs import minimise
from nas_jax.surrogates.padding import Rows, padded_size
from nas_jax.surrogates.precision import in_double_precision
from nas_jax.surrogates.scaling import spread_of

# Normal priors of hyperparameters: means and deviations. Deviations and lengths are logarithms, shares logits.
_PRIORS = {
    "trend_std": (0.0, 1.0),
    "trend_length": (-0.5, 0.7),
    "feature_std": (-0.4, 0.7),
    "feature_length": (0.0, 0.7),  # along the curve
    "feature_share": (1.0, 1.0),  # of f in f + g
    "feature_slope_std": (-1.0, 0.7),
    "beginning_std": (-0.7, 0.7),
    "beginning_length": (-0.5, 0.7),  # along normal scores
    "own_std": (-1.2, 0.7),
    "own_length": (-0.5, 0.7),
    "own_share": (0.0, 1.0),  # of a_i in a_i + d_i
    "own_slope_std": (-1.0, 0.7),
    "noise_std": (-3.0, 1.0),
}
_LOG_LENGTHSCALE = (-0.3, 1.0)  # of features, in units of the root of how many vary
_JITTER = 1e-6


class Curves(NamedTuple):
    """Points of learning curves."""

    x: Float[Any, "n d"]  # features of the training, within [0, 1]
    share: Float[Any, " n"]  # how far it had come, within [0, 1]
    training: Int[Any, " n"]  # which training it is; those of equal number share a curve


class _Points(NamedTuple):
    """Points with what their trainings began with."""

    x: Float[Any, "n d"]
    share: Float[Any, " n"]
    training: Int[Any, " n"]
    beginning: Float[Any, " n"]  # normal score of the first value; NaN where it is not known


class CurveState(NamedTuple):
    """What was learned from n points."""

    curves: Curves
    beginnings: dict[int, float]  # of each training whose first value is known, its normal score
    coordinates: Float[np.ndarray, " k"]  # of the hyperparameters, whose prior is standard normal
    factor: Float[np.ndarray, "n n"]  # lower Cholesky factor of the covariance of the scaled targets
    weights: Float[np.ndarray, " n"]
    y_mean: float
    y_std: float


@dataclass(frozen=True)
class CurveProcess:
    """Settings.

    Args:
        groups: A label for each feature; features of one label share a lengthscale. None: all share one.
        max_evaluations: Of the posterior density of the hyperparameters.

    Raises:
        ValueError: fewer than one evaluation.
    """

    groups: Sequence[Hashable] | None = None
    max_evaluations: int = 40

    def __post_init__(self) -> None:
        if self.max_evaluations < 1:
            raise ValueError(f"max_evaluations must be at least 1, got {self.max_evaluations}")

    def fit(self, curves: Curves, y: Float[np.ndarray, " n"]) -> CurveState:
        """Finds hyperparameters, and conditions on the points.

        Raises:
            ValueError: no points, or values that are not finite.
        """
        return self.condition(curves, y, self.optimise(curves, y))

    def optimise(self, curves: Curves, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
        """The hyperparameters' coordinates, for `condition`; raises as `fit`."""
        curves, y = _checked(curves, y)
        group = self._group(curves.x.shape[1])
        scaled = (y - y.mean()) / _spread(y)
        padded, rows = _pad(_points(curves, _beginnings(curves, y)), scaled)
        start = np.zeros(len(_PRIORS) + group.max(initial=0) + 1)
        limit = np.asarray(self.max_evaluations)
        varying = _num_varying(curves.x)
        return in_double_precision(_optimise, _kernel(), start, padded, rows, group, varying, limit)

    def condition(self, curves: Curves, y: Float[np.ndarray, " n"], coordinates: Float[np.ndarray, " k"]) -> CurveState:
        """The state after these points with given hyperparameters; raises as `fit`."""
        curves, y = _checked(curves, y)
        group, mean, std = self._group(curves.x.shape[1]), float(y.mean()), _spread(y)
        beginnings = _beginnings(curves, y)
        padded, _ = _pad(_points(curves, beginnings), y)
        varying = _num_varying(curves.x)
        both = in_double_precision(_covariance_and_noise, _kernel(), coordinates, padded, padded, group, varying)
        num = len(y)
        covariance = both[0][:num, :num] + np.diag(np.full(num, both[1] + _JITTER))
        factor = cholesky(covariance, lower=True)
        weights = cho_solve((factor, True), (y - mean) / std)
        return CurveState(curves, beginnings, coordinates, factor, weights, mean, std)

    def predict(self, state: CurveState, curves: Curves, *, with_noise: bool = False) -> Posterior:
        """What the curves come to at m points, or with `with_noise` what is measured there, in units of the targets."""
        queries = _as_arrays(curves)
        num, num_known = len(queries.share), len(state.weights)
        group = self._group(state.curves.x.shape[1])
        padded, _ = _pad(_points(state.curves, state.beginnings), np.zeros(num_known))
        asked, _ = _pad(_points(queries, state.beginnings), np.zeros(num))
        varying = _num_varying(state.curves.x)
        between, noise = in_double_precision(
            _covariance_and_noise, _kernel(), state.coordinates, padded, asked, group, varying
        )
        between = between[:num_known, :num]
        explained = solve_triangular(state.factor, between, lower=True)
        prior = in_double_precision(_variances, state.coordinates, asked.share)[:num]
        variance = np.maximum(prior - np.sum(explained**2, axis=0), 1e-12) + with_noise * float(noise)
        return as_posterior(
            state.y_mean + state.y_std * (state.weights @ between), state.y_std * np.sqrt(variance), np.float64
        )

    def _group(self, num_features: int) -> Int[np.ndarray, " d"]:
        return groups_of(self.groups, num_features, ard=self.groups is not None)


def _kernel() -> Any:
    """Of the features. It is made outside of what is compiled, since all who ask for it get the same object."""
    return stationary_kernel("matern52")


def _hyperparameters(coordinates: jax.Array) -> dict[str, Any]:
    means, deviations = np.array(list(_PRIORS.values())).T
    values = means + deviations * coordinates[: len(_PRIORS)]
    return {
        name: jax.nn.sigmoid(value) if name.endswith("share") else jnp.exp(value)
        for name, value in zip(_PRIORS, values, strict=True)
    }


@jax.jit
def _covariance_and_noise(
    kernel: Any, coordinates: jax.Array, one: _Points, other: _Points, group: jax.Array, num_varying: jax.Array
) -> tuple[Any, Any]:
    """The covariance between two lists of points, and the variance of the noise."""
    found = _hyperparameters(coordinates)
    departures = coordinates[len(_PRIORS) :][group]
    lengthscales = jnp.exp(_LOG_LENGTHSCALE[0] + _LOG_LENGTHSCALE[1] * departures) * jnp.sqrt(num_varying)
    alike = correlation(kernel, lengthscales, jnp.zeros(0), one.x, other.x)

    apart = jnp.abs(one.share[:, None] - other.share[None, :])
    is_same = one.training[:, None] == other.training[None, :]
    left = (1 - one.share)[:, None] * (1 - other.share)[None, :]
    done = one.share[:, None] * other.share[None, :]
    of_features = found["feature_share"] + (1 - found["feature_share"]) * _matern32(apart / found["feature_length"])
    of_own = found["own_share"] + (1 - found["own_share"]) * jnp.exp(-apart / found["own_length"])
    covariance = (
        found["trend_std"] ** 2 * _matern32(apart / found["trend_length"])
        + alike * (found["feature_std"] ** 2 * of_features + found["feature_slope_std"] ** 2 * left)
        + found["beginning_std"] ** 2 * _alike_at_first(one, other, found["beginning_length"]) * done
        + is_same * (found["own_std"] ** 2 * of_own + found["own_slope_std"] ** 2 * left)
    )
    return covariance, found["noise_std"] ** 2


def _alike_at_first(one: _Points, other: _Points, length: jax.Array) -> jax.Array:
    is_known = jnp.isfinite(one.beginning)[:, None] & jnp.isfinite(other.beginning)[None, :]
    apart = jnp.abs(jnp.nan_to_num(one.beginning)[:, None] - jnp.nan_to_num(other.beginning)[None, :])
    is_same = one.training[:, None] == other.training[None, :]
    return jnp.where(is_known, _matern32(apart / length), is_same)


def _matern32(distance: jax.Array) -> jax.Array:
    """Rasmussen & Williams (2006), eq. 4.17."""
    return (1 + jnp.sqrt(3.0) * distance) * jnp.exp(-jnp.sqrt(3.0) * distance)


@jax.jit
def _variances(coordinates: jax.Array, share: jax.Array) -> Any:
    """The diagonal of the covariance of points with themselves."""
    found = _hyperparameters(coordinates)
    constant = sum(found[name] ** 2 for name in ("trend_std", "feature_std", "own_std"))
    slopes = (1 - share) ** 2 * (found["feature_slope_std"] ** 2 + found["own_slope_std"] ** 2)
    return constant + slopes + share**2 * found["beginning_std"] ** 2


@jax.jit
def _optimise(
    kernel: Any,
    start: jax.Array,
    curves: _Points,
    rows: Rows,
    group: jax.Array,
    num_varying: jax.Array,
    max_evaluations: jax.Array,
) -> jax.Array:
    def cost(coordinates: jax.Array) -> jax.Array:
        covariance, noise = _covariance_and_noise(kernel, coordinates, curves, curves, group, num_varying)
        is_real = rows.is_real[:, None] & rows.is_real[None, :]
        diagonal = jnp.where(rows.is_real, noise + _JITTER, 1.0)
        density = log_density(jnp.where(is_real, covariance, 0.0) + jnp.diag(diagonal), rows)
        return 0.5 * coordinates @ coordinates - density

    return minimise(jax.value_and_grad(cost), start, max_evaluations=max_evaluations)[0]


def _as_arrays(curves: Curves) -> Curves:
    x, share, training = curves
    return Curves(as_numbers("x", x), as_numbers("share", share), as_numbers("training", training).astype(np.int64))


def _checked(curves: Curves, y: Any) -> tuple[Curves, np.ndarray]:
    curves, y = _as_arrays(curves), as_numbers("y", y)
    if not len(y) or not (len(y) == len(curves.x) == len(curves.share) == len(curves.training)):
        raise ValueError(f"curves and y must have points, and equally many: {len(curves.x)} and {len(y)}")
    if not (np.isfinite(curves.x).all() and np.isfinite(curves.share).all() and np.isfinite(y).all()):
        raise ValueError("curves and y must be finite")
    return curves, y


def _beginnings(curves: Curves, y: Float[np.ndarray, " n"]) -> dict[int, float]:
    """Of each training that has a value where the earliest of all values are, the normal score of it among these."""
    is_first = curves.share == curves.share.min()
    scores = norm.ppf((rankdata(y[is_first]) - 0.5) / is_first.sum())
    return dict(zip(curves.training[is_first].tolist(), scores.tolist(), strict=True))


def _points(curves: Curves, beginnings: dict[int, float]) -> _Points:
    return _Points(*curves, np.array([beginnings.get(number, np.nan) for number in curves.training.tolist()], float))


def _pad(points: _Points, y: Float[np.ndarray, " n"]) -> tuple[_Points, Rows]:
    """Up to the padded size, with trainings of their own that have negative numbers."""
    num, size = len(points.share), padded_size(max(len(points.share), 1))
    extra = size - num
    padded = _Points(
        np.pad(points.x, ((0, extra), (0, 0))),
        np.pad(points.share, (0, extra)),
        np.append(points.training, -1 - np.arange(extra)),
        np.pad(points.beginning, (0, extra), constant_values=np.nan),
    )
    rows = Rows(x=padded.x, y=np.pad(y, (0, extra)), noise_variance=np.zeros(size), is_real=np.arange(size) < num)
    return padded, rows


def _num_varying(x: Float[np.ndarray, "n d"]) -> np.ndarray:
    return np.asarray(max(1.0, float(np.count_nonzero(np.ptp(x, axis=0)))))


def _spread(y: Float[np.ndarray, " n"]) -> float:
    """The deviation of targets, one where they do not vary."""
    return spread_of(y) or 1.0
