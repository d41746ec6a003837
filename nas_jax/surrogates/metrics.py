"""How good predictions are: whether they rank points rightly, are close, and know how wrong they may be.

A search needs the ranks first. The likelihood and the coverage tell whether deviations can be believed, and only
make sense for predictions of measurements (`with_noise=True`), since that is what they are compared with.

All read arrays as surrogates do (`arrays.py`), and raise ValueError for what is no vector of real numbers, or for
vectors of different lengths. Where a number is NaN, so is the result.
"""

from typing import Any

import numpy as np
from scipy import stats

from nas_jax.surrogates.arrays import as_numbers
from nas_jax.surrogates.base import Posterior

LEVELS = tuple(percent / 100 for percent in range(5, 100, 5))


def kendall_tau(predicted: Any, measured: Any) -> float:
    """Kendall's tau-b of two vectors `[m]`: 1 for the same order, -1 for the reverse, ties counted out.

    NaN where either vector never varies, or has one entry.
    """
    predicted, measured = _pair(predicted, measured)
    return float(stats.kendalltau(predicted, measured).statistic) if _both_vary(predicted, measured) else np.nan


def spearman(predicted: Any, measured: Any) -> float:
    """Spearman's correlation of the ranks of two vectors `[m]`; NaN where either never varies."""
    predicted, measured = _pair(predicted, measured)
    return float(stats.spearmanr(predicted, measured).statistic) if _both_vary(predicted, measured) else np.nan


def rmse(predicted: Any, measured: Any) -> float:
    """Root mean squared error, in units of the targets."""
    predicted, measured = _pair(predicted, measured)
    return float(np.sqrt(np.mean((predicted - measured) ** 2)))


def nlpd(posterior: Posterior, y: Any) -> float:
    """Mean negative log density of `y` `[m]` under each point's own Gaussian, in nats; lower is better.

    Depends on the units of the targets: multiplying them by c adds log(c). Infinite where a density is too small for
    a number.
    """
    mean, y = _pair(posterior.mean, y)
    std = _deviations(posterior)
    with np.errstate(over="ignore"):
        return float(np.mean(0.5 * np.log(2 * np.pi) + np.log(std) + 0.5 * ((y - mean) / std) ** 2))


def crps(posterior: Posterior, y: Any) -> float:
    """Mean continuous ranked probability score of `y` `[m]` (Gneiting & Raftery 2007, eq. 21 with its sign turned).

    In units of the targets; lower is better. It tends to the mean absolute error as the deviations shrink, so that
    far misses cost less than in `nlpd`.
    """
    mean, y = _pair(posterior.mean, y)
    std = _deviations(posterior)
    z = (y - mean) / std
    return float(np.mean(std * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))))


def coverage(posterior: Posterior, y: Any, level: float = 0.95) -> float:
    """The fraction of `y` `[m]` inside central intervals that should hold a fraction `level` of them.

    Less than `level` is overconfidence.

    Raises:
        ValueError: a level that is not between 0 and 1.
    """
    mean, y = _pair(posterior.mean, y)
    beyond = np.abs(y - mean) - _half_widths(posterior, level)
    return float(np.mean(np.where(np.isnan(beyond), np.nan, beyond <= 0)))


def sharpness(posterior: Posterior, level: float = 0.95) -> float:
    """Mean width of central intervals that should hold a fraction `level` of the targets, in units of the targets.

    Of predictions that are calibrated, the narrower are better (Gneiting, Balabdaoui & Raftery 2007, "Probabilistic
    forecasts, calibration and sharpness").

    Raises:
        ValueError: a level that is not between 0 and 1.
    """
    return float(np.mean(2 * _half_widths(posterior, level)))


def calibration_curve(posterior: Posterior, y: Any, levels: Any = LEVELS) -> tuple[np.ndarray, np.ndarray]:
    """The `levels` `[l]`, and the coverage of `y` `[m]` at each; a curve below the diagonal is overconfidence.

    Raises:
        ValueError: a level that is not between 0 and 1.
    """
    levels = np.array(levels, np.float64)
    return levels, np.array([coverage(posterior, y, float(level)) for level in levels])


def calibration_error(posterior: Posterior, y: Any, levels: Any = LEVELS) -> float:
    """Mean distance of the calibration curve from the diagonal, 0 to 1; by chance alone about 0.3 / sqrt(m).

    Raises:
        ValueError: a level that is not between 0 and 1.
    """
    nominal, observed = calibration_curve(posterior, y, levels)
    return float(np.mean(np.abs(observed - nominal)))


def _half_widths(posterior: Posterior, level: float) -> np.ndarray:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    return stats.norm.ppf(0.5 + level / 2) * _deviations(posterior)


def _deviations(posterior: Posterior) -> np.ndarray:
    return _pair(posterior.std, posterior.mean)[0]


def _pair(predicted: Any, measured: Any) -> tuple[np.ndarray, np.ndarray]:
    predicted, measured = as_numbers("predictions", predicted), as_numbers("measurements", measured)
    if predicted.ndim != 1 or predicted.shape != measured.shape or predicted.size == 0:
        raise ValueError(
            f"predictions and measurements must be vectors of one length, got {predicted.shape} and {measured.shape}"
        )
    return predicted, measured


def _both_vary(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(np.ptp(first) > 0 and np.ptp(second) > 0)
