"""Scores as targets for a surrogate: as they are, as their ranks, or as logarithms of them or of what is left to one.

Where half of all networks are bad, a surrogate of the scores spends itself on telling bad from worse. Ranks are
indifferent to that: as normal scores they are Gaussian by construction, whatever the scores are. The logarithm of the
error sets apart accuracies that are nearly one.

None of that is so of what a compiled program costs: it follows from the architecture with little noise, no half of all
programs is bad, and choices multiply it. Ranks would lose by how much one is faster than another, so of such costs
always the logarithm is learned.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import norm, rankdata

from nas_jax.metrics import DEPLOYED
from nas_jax.surrogates.improvement import STRAIGHT, Line
from nas_jax.trial import Prediction

TARGETS = ("ranks", "scores", "log_errors", "logarithms")
FRACTION_BOUND = 1.01  # a little above what an accuracy can reach, so that its logarithm is finite
_REACH = float(norm.ppf(0.975))  # of an interval of 95 %, in deviations
_NUM_KNOTS = 257  # of a line in place of the exponential
OF_A_LIMIT = "the margin of a limit"  # as a metric: by how much a constraint is kept, in shares, of either sign
_MARGINS = {"log_errors": 6.0, "logarithms": 3.0}  # how far it goes beyond the targets


class Targets(NamedTuple):
    """Targets of n scores, and the way back: exact, and as a line with bends."""

    values: Float[np.ndarray, " n"]  # in the order of the scores
    inverse: Callable[[Float[np.ndarray, " k"]], Float[np.ndarray, " k"]]  # from targets to scores
    line: Line = STRAIGHT

    def prediction(self, mean: float, std: float) -> Prediction:
        """In units of scores what is normal in units of targets; see `prediction_of`."""
        return prediction_of(self.inverse, mean, std)


def prediction_of(inverse: Callable[[np.ndarray], np.ndarray], mean: float, std: float) -> Prediction:
    """What is normal in units of targets, taken to those of scores by `inverse`.

    The deviation is that of a normal whose interval of 95 % is as wide as the one of the targets becomes.
    """
    reach = _REACH * std
    low, centre, high = inverse(np.array([mean - reach, mean, mean + reach]))
    return Prediction(float(centre), float(max(0.5 * (high - low) / _REACH, np.finfo(np.float32).tiny)))


def kind_for(metric: str, scores: Float[np.ndarray, " n"], kind: str) -> str:
    """The kind of targets of a metric where `kind` was chosen: logarithms of what a compiled program costs.

    A table may have such a metric in units of its own, which have no logarithms: that is learned as any other. What is
    kept of a limit has both signs, and is learned by ranks where fractions or logarithms were chosen.
    """
    if metric == OF_A_LIMIT:
        return "ranks" if kind in _MARGINS else kind
    has_logarithms = scores.min() > 0 or scores.max() < 0
    return "logarithms" if metric in DEPLOYED and has_logarithms else kind


def check_targets(kind: str) -> None:
    """Raises a ValueError if there is no such kind of targets."""
    if kind not in TARGETS:
        raise ValueError(f"unknown targets {kind!r}; choose from {', '.join(TARGETS)}")


def targets_of(scores: Float[np.ndarray, " n"], kind: str) -> Targets:
    """Targets of at least one score.

    "ranks": the normal quantiles of (rank - 1/2) / n, equal scores sharing theirs. "log_errors": -log(1.01 - score), of
    scores that are fractions. "logarithms": those of scores that are all positive or, less themselves, all negative.

    Raises:
        ValueError: "log_errors" of a score above one, or "logarithms" of zero or of scores with both signs.
    """
    if kind == "scores":
        return Targets(scores, lambda values: values)
    if kind == "log_errors":
        if scores.max() >= FRACTION_BOUND:
            raise ValueError(f"log_errors are of fractions, and one score is {scores.max():g}")
        errors = -np.log(FRACTION_BOUND - scores)
        line = _line_of_exponential(errors, -1.0, FRACTION_BOUND, _MARGINS[kind])
        return Targets(errors, lambda values: FRACTION_BOUND - np.exp(-values), line)
    if kind == "logarithms":
        sign = float(np.sign(scores[0]))
        if np.any(scores * sign <= 0):
            raise ValueError(
                f"logarithms are of numbers of one sign, and scores go from {scores.min():g} to {scores.max():g}"
            )
        logarithms = sign * np.log(sign * scores)
        line = _line_of_exponential(logarithms, sign, 0.0, _MARGINS[kind])
        return Targets(logarithms, lambda values: sign * np.exp(sign * values), line)
    values = norm.ppf((rankdata(scores) - 0.5) / len(scores))
    line = _line_of_ranks(values, scores)
    return Targets(values, line.__call__, line)


def _line_of_exponential(values: Float[np.ndarray, " n"], sign: float, offset: float, margin: float) -> Line:
    """offset + sign exp(sign u), with bends, around these targets."""
    knots = np.linspace(values.min() - margin, values.max() + margin, _NUM_KNOTS)
    slopes = np.exp(sign * knots)
    return Line(knots, offset + sign * slopes, float(slopes[0]), float(slopes[-1]))


def _line_of_ranks(values: Float[np.ndarray, " n"], scores: Float[np.ndarray, " n"]) -> Line:
    """Through the scores; beyond their range the slope is that of the outer half of it."""
    knots, places = np.unique(values, return_index=True)
    heights = scores[places]
    if len(knots) == 1:
        return Line(knots, heights, 0.0, 0.0)
    middle = len(knots) // 2
    slope_low = (heights[middle] - heights[0]) / (knots[middle] - knots[0])
    slope_high = (heights[-1] - heights[middle - 1]) / (knots[-1] - knots[middle - 1])
    return Line(knots, heights, float(slope_low), float(slope_high))
