"""Scores as targets for a surrogate: as they are, or as their ranks.

Where half of all networks are bad, a surrogate of the scores spends itself on telling bad from worse. Ranks are
indifferent to that: as normal scores they are Gaussian by construction, whatever the scores are.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import norm, rankdata

from nas_jax.trial import Prediction

TARGETS = ("ranks", "scores")


class Targets(NamedTuple):
    """Targets of n scores, and the way back."""

    values: Float[np.ndarray, " n"]  # in the order of the scores
    scores: Float[np.ndarray, " n"]
    by_rank: bool

    def prediction(self, mean: float, std: float) -> Prediction:
        """In units of scores what is normal in units of targets: half the distance of the quantiles at +-1 deviation.

        Beyond the scores' range the slope is that of the outer half of it.
        """
        if not self.by_rank:
            return Prediction(mean, std)
        low, centre, high = self._inverse(np.array([mean - std, mean, mean + std]))
        return Prediction(float(centre), float(max(0.5 * (high - low), np.finfo(np.float32).tiny)))

    def _inverse(self, values: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        knots, places = np.unique(self.values, return_index=True)
        heights = self.scores[places]
        if len(knots) == 1:
            return np.full(len(values), heights[0])
        middle = len(knots) // 2
        slope_low = (heights[middle] - heights[0]) / (knots[middle] - knots[0])
        slope_high = (heights[-1] - heights[middle - 1]) / (knots[-1] - knots[middle - 1])
        inside = np.interp(values, knots, heights)
        below, above = np.minimum(values - knots[0], 0), np.maximum(values - knots[-1], 0)
        return inside + slope_low * below + slope_high * above


def check_targets(kind: str) -> None:
    """Raises a ValueError if there is no such kind of targets."""
    if kind not in TARGETS:
        raise ValueError(f"unknown targets {kind!r}; choose from {', '.join(TARGETS)}")


def targets_of(scores: Float[np.ndarray, " n"], kind: str) -> Targets:
    """Targets of at least one score. "ranks": the normal quantiles of (rank - 1/2) / n, equal scores sharing theirs."""
    if kind == "scores":
        return Targets(scores, scores, by_rank=False)
    return Targets(norm.ppf((rankdata(scores) - 0.5) / len(scores)), scores, by_rank=True)
