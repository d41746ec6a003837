"""Monotone maps of targets to a scale on which they look more normal, and back.

Accuracies of architectures are skewed: most are near the best, a few far below. A Gaussian process on the targets
as they are spends its scale on those few. Each warp has `forward`, its `slope`, `inverse`, and `moments`: mean and
deviation of what is normal on the warped scale.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy.optimize import minimize
from scipy.special import roots_hermitenorm

_NEGLIGIBLE = 1e-300  # of a unit, beside the targets that are counted in it
_LARGEST = 1e30  # in units of the targets; moments of what is normal on a warped scale can exceed every float32
_NODES, _WEIGHTS = roots_hermitenorm(32)
_WEIGHTS = _WEIGHTS / np.sum(_WEIGHTS)
_PRIOR_STD = 0.5  # of each of the warp's four coordinates
_FAR = 5.0  # deviations from the median: beyond them there are outliers alone
_BOUNDS = [(-3.0, 3.0), (-1.0, 1.0), (-3.0, 3.0), (-2.0, 2.0)]  # six deviations; four for the scale, two for the tail


class Identity(NamedTuple):
    """Leaves targets as they are."""

    def forward(self, y: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        return y

    def slope(self, y: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        return np.ones_like(y)

    def inverse(self, u: Float64[np.ndarray, "*m"]) -> Float64[np.ndarray, "*m"]:
        return u

    def moments(
        self, mean: Float64[np.ndarray, " m"], std: Float64[np.ndarray, " m"]
    ) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
        return mean, std


class LogDistance(NamedTuple):
    """-log(B - y) for targets below a bound B, such as accuracies.

    Halving the error is then a step of the same size everywhere, and no prediction exceeds B. Normal on this scale
    means that B - y is log-normal, whose moments are known in closed form.
    """

    upper_bound: float

    def forward(self, y: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        if np.max(y) >= self.upper_bound:
            raise ValueError(f"y must be below upper_bound={self.upper_bound}, got {np.max(y)}")
        return -np.log(self.upper_bound - y)

    def slope(self, y: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        return 1.0 / (self.upper_bound - y)

    def inverse(self, u: Float64[np.ndarray, "*m"]) -> Float64[np.ndarray, "*m"]:
        with np.errstate(over="ignore"):
            return self.upper_bound - np.minimum(np.exp(-u), _LARGEST)

    def moments(
        self, mean: Float64[np.ndarray, " m"], std: Float64[np.ndarray, " m"]
    ) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
        with np.errstate(over="ignore"):
            distance = np.minimum(np.exp(-mean + std**2 / 2), _LARGEST)
            return self.upper_bound - distance, np.minimum(distance * np.sqrt(np.expm1(std**2)), _LARGEST)


class SinhArcsinh(NamedTuple):
    """u = sinh(tail arcsinh((y - location) / scale) - skewness).

    Maps all numbers to all numbers, so no prediction meets a bound. Jones & Pewsey, "Sinh-arcsinh distributions"
    (Biometrika 96, 2009, eq. 2); as a warp of a Gaussian process Rios & Tobar, "Compositionally-warped Gaussian
    processes" (Neural Networks 118, 2019). Skewness 0 and tail 1 make it linear.

    Beyond `low` and `high`, where only outliers are, distances count by their logarithm first: one target far below the
    others does not make them all alike.
    """

    location: float  # in units of the targets, as is the scale
    scale: float
    skewness: float
    tail: float
    low: float = -_LARGEST  # in units of the targets
    high: float = _LARGEST
    unit: float = 1.0  # of distances from `low` and `high`

    def forward(self, y: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        near = _compress(y, self.low, self.high, self.unit)
        return np.sinh(self.tail * np.arcsinh((near - self.location) / self.scale) - self.skewness)

    def slope(self, y: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        standard = (_compress(y, self.low, self.high, self.unit) - self.location) / self.scale
        angle = self.tail * np.arcsinh(standard) - self.skewness
        distance = np.maximum(np.maximum(self.low - y, y - self.high), 0) / self.unit
        return np.cosh(angle) * self.tail / np.hypot(1.0, standard) / self.scale / (1 + distance)

    def inverse(self, u: Float64[np.ndarray, "*m"]) -> Float64[np.ndarray, "*m"]:
        near = self.location + self.scale * np.sinh((np.arcsinh(u) + self.skewness) / self.tail)
        below, above = (np.maximum(part, 0) / self.unit for part in (self.low - near, near - self.high))
        with np.errstate(over="ignore"):
            far = near + self.unit * ((np.expm1(above) - above) - (np.expm1(below) - below))
        return np.clip(far, -_LARGEST, _LARGEST)

    def moments(
        self, mean: Float64[np.ndarray, " m"], std: Float64[np.ndarray, " m"]
    ) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
        """By Gauss-Hermite quadrature with 32 nodes; exactly where the map is linear, as it is of equal targets.

        Far from zero, values one deviation apart can be the same in floating point.
        """
        if (self.skewness, self.tail, self.low, self.high) == (0.0, 1.0, -_LARGEST, _LARGEST):
            return self.location + self.scale * mean, self.scale * std
        values = self.inverse(mean[:, None] + std[:, None] * _NODES)  # [m, 32]
        centre = values @ _WEIGHTS
        return centre, np.sqrt((values - centre[:, None]) ** 2 @ _WEIGHTS)


Warp = Identity | LogDistance | SinhArcsinh
WARPS = {"identity": Identity, "log_distance": LogDistance, "sinh_arcsinh": SinhArcsinh}


def warp_of(kind: str, y: Float64[np.ndarray, " n"], upper_bound: float | None) -> Warp:
    """The warp of that kind for these targets."""
    if kind == "identity":
        return Identity()
    if kind == "sinh_arcsinh":
        return _fit_sinh_arcsinh(y)
    assert upper_bound is not None, "only log_distance is left, and it comes with a bound"
    return LogDistance(float(upper_bound))


def _compress(y: Float64[np.ndarray, " n"], low: float, high: float, unit: float) -> Float64[np.ndarray, " n"]:
    """Distances below `low` and above `high` become unit log(1 + distance / unit); the slope has no jump."""
    below, above = np.maximum(low - y, 0), np.maximum(y - high, 0)
    return y + (below - unit * np.log1p(below / unit)) - (above - unit * np.log1p(above / unit))


def _bounds_of_outliers(y: Float64[np.ndarray, " n"]) -> tuple[float, float, float]:
    """Where outliers begin on either side, and the deviation of the targets without them.

    The deviation is the larger of those that the middle half and the middle 80 % would have if they were normal: up to
    a tenth of the targets on either side does not move it. No bounds where it is zero, or so small that targets cannot
    be counted in it, and none where no target lies beyond them: what is predicted there, of a few targets with large
    deviations, would count by its exponential.
    """
    quantiles = np.quantile(y, [0.1, 0.25, 0.5, 0.75, 0.9])
    unit = float(max((quantiles[3] - quantiles[1]) / 1.349, (quantiles[4] - quantiles[0]) / 2.563))
    if unit <= _NEGLIGIBLE * max(float(np.abs(y).max()), 1.0):
        return -_LARGEST, _LARGEST, 1.0
    low, high = float(quantiles[2] - _FAR * unit), float(quantiles[2] + _FAR * unit)
    return (low, high, unit) if y.min() < low or y.max() > high else (-_LARGEST, _LARGEST, 1.0)


def _fit_sinh_arcsinh(targets: Float64[np.ndarray, " n"]) -> SinhArcsinh:
    """Of highest posterior density, for targets that are independent and normal once warped.

    Outliers are compressed first, see `_bounds_of_outliers`. Of the standardised targets, location, log scale, skewness
    and log tail are normal around the linear map, which few targets therefore keep.
    """
    outliers = _bounds_of_outliers(targets)
    y = _compress(targets, *outliers)
    mean, std = float(np.mean(y)), float(np.std(y))
    if std == 0 or np.all(y == y[0]):
        return SinhArcsinh(location=float(y[0]), scale=1.0, skewness=0.0, tail=1.0)
    fit = minimize(
        _negative_log_density, np.zeros(4), args=((y - mean) / std,), jac=True, method="L-BFGS-B", bounds=_BOUNDS
    )
    skewness, log_tail, location, log_scale = map(float, fit.x)
    location, scale = mean + std * location, std * float(np.exp(log_scale))
    return SinhArcsinh(location, scale, skewness, float(np.exp(log_tail)), *outliers)


def _negative_log_density(
    z: Float64[np.ndarray, "4"], y: Float64[np.ndarray, " n"]
) -> tuple[float, Float64[np.ndarray, "4"]]:
    """Up to a constant, and its gradient with respect to skewness, log tail, location and log scale."""
    skewness, tail, location, scale = z[0], np.exp(z[1]), z[2], np.exp(z[3])
    standard = (y - location) / scale
    bend = np.arcsinh(standard)
    angle = tail * bend - skewness
    log_cosh = np.logaddexp(angle, -angle) - np.log(2)
    warped = np.sinh(angle)
    log_slope = log_cosh + z[1] - 0.5 * np.log1p(standard**2) - z[3]
    value = np.sum(0.5 * warped**2 - log_slope) + 0.5 * np.sum((z / _PRIOR_STD) ** 2)
    by_angle = warped * np.cosh(angle) - np.tanh(angle)
    by_standard = by_angle * tail / np.hypot(1.0, standard) + standard / (1 + standard**2)
    gradient = np.array(
        [
            -np.sum(by_angle),
            np.sum(by_angle * tail * bend - 1.0),
            -np.sum(by_standard) / scale,
            np.sum(1.0 - by_standard * standard),
        ]
    )
    return float(value), gradient + z / _PRIOR_STD**2
