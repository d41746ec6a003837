"""Extrapolation of one learning curve by an ensemble of parametric families, with uncertainty.

Domhan, Springenberg & Hutter, "Speeding up automatic hyperparameter optimization of deep neural networks by
extrapolation of learning curves" (IJCAI 2015, table 1): each family goes from a first value to an asymptote. They
sample the parameters of all families together; here each family has a Laplace approximation, and its evidence is its
weight. Log power is the same function as MMF, and Janoschek's curve the same as Weibull's, so each pair is one family.

No family holds exactly, least of all beyond the last epoch: predictions there also drift away from the mixture, in
proportion to the logarithm of the time passed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from nas_jax.surrogates.arrays import as_numbers
from nas_jax.surrogates.base import Posterior, as_posterior


class _Family(NamedTuple):
    shape: Callable[..., np.ndarray]  # of the time (1 is the last epoch seen) and parameters; falls to 0
    log_mean: tuple[float, ...]  # of the parameters, which are log-normal
    log_std: tuple[float, ...]


# A time scale of .4 is a curve that has most of its fall behind it.
FAMILIES = {
    "pow3": _Family(lambda z, power: z**-power, (-0.5,), (0.8,)),
    "pow4": _Family(lambda z, power, shift: (z + shift) ** -power, (0.0, -1.5), (0.7, 1.0)),
    "mmf": _Family(lambda z, scale, power: 1 / (1 + (z / scale) ** power), (-1.0, 0.2), (1.0, 0.5)),
    "exp3": _Family(lambda z, scale: np.exp(-z / scale), (-1.0,), (0.8,)),
    "weibull": _Family(lambda z, scale, power: np.exp(-((z / scale) ** power)), (-1.0, -0.3), (1.0, 0.5)),
    "ilog2": _Family(lambda z, scale: 1 / np.log1p(z / scale), (-2.0,), (1.0,)),
}
_LEVEL_STD = 2.0  # of the values at the first and the last epoch, in deviations of the curve's values
_NOISE_SHAPE, _NOISE_SCALE = 1.0, 1e-4  # the inverse gamma prior of the noise's variance
_ROUNDS = 3  # of fits with the noise that the last one left
_LATE = 0.25  # the drift is in units of how much values have changed since this share of the last epoch


class FamilyFit(NamedTuple):
    """One family's most probable curve."""

    coordinates: Float[np.ndarray, " k"]  # standard normal a priori: value at the end, fall so far, logarithms
    covariance: Float[np.ndarray, "k k"]
    noise_variance: float
    log_evidence: float


class ExtrapolationState(NamedTuple):
    """What one curve told; the fits are in its standardised units."""

    fits: dict[str, FamilyFit]
    first: float  # share of the first epoch in the last one
    last_epoch: float
    num_points: int
    centre: float  # the last value
    spread: float
    late_change: float  # root mean squared difference of the late values from the last one, standardised


@dataclass(frozen=True)
class CurveExtrapolation:
    """Settings.

    Args:
        drift: How far a curve strays from all families while the epochs grow e-fold, as a deviation in units of how
            much it changed over the last three quarters of what was seen.
        unit: The deviation to reckon with where values do not vary: of one point, or of a constant curve.

    Raises:
        ValueError: a negative drift, or a unit that is not positive.
    """

    drift: float = 0.5
    unit: float = 1.0

    def __post_init__(self) -> None:
        if self.drift < 0 or self.unit <= 0:
            raise ValueError(f"drift must be at least 0 and unit positive, got {self.drift} and {self.unit}")

    def fit(self, epochs: Any, values: Any) -> ExtrapolationState:
        """Fits every family to the values `[t]` after epochs `[t]`, in any order; either may rise or fall.

        Raises:
            ValueError: no points, not equally many, epochs that are not positive, or values that are not finite.
        """
        epochs, values = as_numbers("epochs", epochs), as_numbers("values", values)
        if epochs.ndim != 1 or not len(epochs) or epochs.shape != values.shape:
            raise ValueError(f"epochs and values must be points, and equally many: {epochs.shape} and {values.shape}")
        if not (np.isfinite(epochs).all() and np.isfinite(values).all() and (epochs > 0).all()):
            raise ValueError("epochs must be positive, and epochs and values finite")
        order = np.argsort(epochs, kind="stable")
        epochs, values = epochs[order], values[order]
        centre, spread = float(values[-1]), float(values.std())
        if spread <= 1e-12 * float(np.abs(values).max()):
            spread = self.unit
        time, scaled = epochs / epochs[-1], (values - centre) / spread
        first = min(float(time[0]), 0.5)
        fits = {name: _fit(family, first, time, scaled) for name, family in FAMILIES.items()}
        late = scaled[time >= _LATE][:-1]
        change = float(np.sqrt(np.mean(late**2))) if len(late) else 1.0
        return ExtrapolationState(fits, first, float(epochs[-1]), len(epochs), centre, spread, change)

    def predict(self, state: ExtrapolationState, epochs: Any) -> Posterior:
        """Measurements after the epochs `[m]`, with their noise, in units of the values.

        The moments of the mixture; the deviation of each member is that of Student's distribution, whose noise is
        integrated out.

        Raises:
            ValueError: epochs that are not positive.
        """
        time = as_numbers("epochs", epochs) / state.last_epoch
        if not (np.isfinite(time).all() and (time > 0).all()):
            raise ValueError("epochs must be positive and finite")
        freedom = 2 * _NOISE_SHAPE + state.num_points
        means, variances = [], []
        for name, found in state.fits.items():
            mean, slopes = _curve_and_slopes(FAMILIES[name], state.first, time, found.coordinates)
            variance = np.einsum("mi,ij,mj->m", slopes, found.covariance, slopes) + found.noise_variance
            means.append(mean)
            variances.append(variance * freedom / (freedom - 2))
        evidence = np.array([found.log_evidence for found in state.fits.values()])
        weights = np.exp(evidence - evidence.max())
        weights /= weights.sum()
        mean = weights @ np.array(means)
        variance = weights @ (np.array(variances) + (np.array(means) - mean) ** 2)
        variance += (self.drift * state.late_change * np.log(np.maximum(time, 1.0))) ** 2
        return as_posterior(state.centre + state.spread * mean, state.spread * np.sqrt(variance), np.float64)


def _curve(family: _Family, first: float, time: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """The value at the last epoch, plus the fall so far times how much of it is still ahead at these times."""
    end, fall = _LEVEL_STD * coordinates[:2]
    parameters = np.exp(np.array(family.log_mean) + np.array(family.log_std) * coordinates[2:])
    with np.errstate(over="ignore"):
        shape, of_last, of_first = (family.shape(z, *parameters) for z in (time, np.float64(1.0), np.float64(first)))
    return end + fall * (shape - of_last) / max(of_first - of_last, 1e-9)


def _curve_and_slopes(family: _Family, first: float, time: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve `[m]` and its derivatives `[m, k]` by the coordinates, from central differences."""
    step = 1e-5
    slopes = [
        (_curve(family, first, time, at + step * unit) - _curve(family, first, time, at - step * unit)) / (2 * step)
        for unit in np.eye(len(at))
    ]
    return _curve(family, first, time, at), np.stack(slopes, axis=1)


def _fit(family: _Family, first: float, time: np.ndarray, scaled: np.ndarray) -> FamilyFit:
    """The best of two starts, and its Gauss-Newton covariance; the variance of the noise alternates with the curve."""
    shape = _NOISE_SHAPE + 0.5 * len(scaled)
    best: FamilyFit | None = None
    for departure in (-0.7, 0.7):
        start = np.full(2 + len(family.log_mean), departure)
        start[:2] = scaled[-1] / _LEVEL_STD, (scaled[0] - scaled[-1]) / _LEVEL_STD
        noise = 0.01
        for _ in range(_ROUNDS):

            def residuals(at: np.ndarray, deviation: float = noise**0.5) -> np.ndarray:
                return np.append((_curve(family, first, time, at) - scaled) / deviation, at)

            bounds = (-1e3 * np.ones(len(start)), 1e3 * np.ones(len(start)))
            bounds[0][2:], bounds[1][2:] = -4.0, 4.0  # what the prior excludes would overflow
            start = least_squares(residuals, start, bounds=bounds, max_nfev=20).x
            curve, slopes = _curve_and_slopes(family, first, time, start)
            rate = _NOISE_SCALE + 0.5 * np.sum((curve - scaled) ** 2)
            noise = rate / shape
        precision = slopes.T @ slopes / noise + np.eye(len(start))
        evidence = -shape * np.log(rate) - 0.5 * start @ start - 0.5 * np.linalg.slogdet(precision)[1]
        if best is None or evidence > best.log_evidence:
            best = FamilyFit(start, np.linalg.inv(precision), float(noise), float(evidence))
    assert best is not None
    return best
