"""How good predictions are: whether they rank points rightly, are close, and know how wrong they may be.

A search needs the ranks first. The likelihood and the coverage tell whether deviations can be believed, and only
make sense for predictions of measurements (`with_noise=True`), since that is what they are compared with.
"""

from typing import Any

import numpy as np
from scipy import stats

from nas_jax.surrogates.base import Posterior


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

    Depends on the units of the targets: multiplying them by c adds log(c).
    """
    mean, y = _pair(posterior.mean, y)
    std = np.asarray(posterior.std, np.float64)
    return float(np.mean(0.5 * np.log(2 * np.pi) + np.log(std) + 0.5 * ((y - mean) / std) ** 2))


def coverage(posterior: Posterior, y: Any, level: float = 0.95) -> float:
    """The fraction of `y` `[m]` inside central intervals that should hold a fraction `level` of them.

    Less than `level` is overconfidence.

    Raises:
        ValueError: vectors of different lengths, or a level that is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    mean, y = _pair(posterior.mean, y)
    half_width = stats.norm.ppf(0.5 + level / 2) * np.asarray(posterior.std, np.float64)
    return float(np.mean(np.abs(y - mean) <= half_width))


def _pair(predicted: Any, measured: Any) -> tuple[np.ndarray, np.ndarray]:
    predicted, measured = np.asarray(predicted, np.float64), np.asarray(measured, np.float64)
    if predicted.ndim != 1 or predicted.shape != measured.shape or predicted.size == 0:
        raise ValueError(
            f"predictions and measurements must be vectors of one length, got {predicted.shape} and {measured.shape}"
        )
    return predicted, measured


def _both_vary(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(np.ptp(first) > 0 and np.ptp(second) > 0)
