"""Expected hypervolume improvement: how much a measurement may add to a front; higher is better.

Objectives are predicted independently of each other, each as a Gaussian that a monotone broken line may bend. The
region above the front is cut into boxes, and the expected volume of what a point adds to a box is a product of
one-dimensional expectations: exact, and as quick for thousands of points as for one (Emmerich, Yang, Deutz, Wang &
Fonseca, "A multicriteria generalization of Bayesian global optimization", 2016; Yang et al., "Efficient computation of
expected hypervolume improvement using box decomposition algorithms", 2019).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

_MAX_CELLS = 2**22  # numbers of an array: points times boxes
_TINY = 1e-12


class Line(NamedTuple):
    """A monotone line with bends: heights over ascending knots, and the slopes before the first and after the last."""

    knots: Float[np.ndarray, " q"]
    heights: Float[np.ndarray, " q"]
    slope_below: float
    slope_above: float

    def __call__(self, z: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """The heights at `z`."""
        inside = np.interp(z, self.knots, self.heights)
        below, above = np.minimum(z - self.knots[0], 0), np.maximum(z - self.knots[-1], 0)
        return inside + self.slope_below * below + self.slope_above * above

    def inverse(self, heights: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Where the line has these heights; where it is level, far out."""
        segment = np.searchsorted(self.heights, heights, side="right")
        anchor = np.maximum(segment - 1, 0)
        return self.knots[anchor] + (heights - self.heights[anchor]) / np.maximum(self.slopes[segment], _TINY)

    @property
    def slopes(self) -> Float[np.ndarray, " q_plus_1"]:
        inner = np.diff(self.heights) / np.diff(self.knots)
        return np.concatenate([[self.slope_below], inner, [self.slope_above]])


STRAIGHT = Line(np.zeros(1), np.zeros(1), 1.0, 1.0)


class Marginal(NamedTuple):
    """Predictions of one objective at m points: what `line` makes of Gaussians. Known values have deviation zero."""

    mean: Float[np.ndarray, " m"]
    std: Float[np.ndarray, " m"]
    line: Line = STRAIGHT

    @property
    def centre(self) -> Float[np.ndarray, " m"]:
        """The medians, in units of the heights."""
        return self.line(self.mean)

    def rows(self, rows: np.ndarray) -> "Marginal":
        return self._replace(mean=self.mean[rows], std=self.std[rows])

    def excess(self, thresholds: Float[np.ndarray, " t"]) -> Float[np.ndarray, "m t"]:
        """E[max(y - threshold, 0)] at each point; thresholds may be infinite.

        What exceeds a threshold is a sum of hinges, one at each bend above it, whose expectations are known.
        """
        knots, slopes = self.line.knots, self.line.slopes
        bends = _hinges(self.mean, self.std, knots) * np.diff(slopes)  # [m, q]
        above = np.concatenate([np.cumsum(bends[:, ::-1], axis=1)[:, ::-1], np.zeros((len(self.mean), 1))], axis=1)
        is_finite = np.isfinite(thresholds)
        finite = thresholds[is_finite]
        segment = np.searchsorted(self.line.heights, finite, side="right")  # of slopes
        slope, z = np.maximum(slopes[segment], _TINY), self.line.inverse(finite)
        found = np.zeros((len(self.mean), len(thresholds)))
        found[:, is_finite] = slope * _hinges(self.mean, self.std, z) + above[:, segment]
        return np.maximum(found, 0)


class Boxes(NamedTuple):
    """Boxes that do not overlap; infinite ones have no upper end."""

    lower: Float[np.ndarray, "b k"]
    upper: Float[np.ndarray, "b k"]


def boxes_above(front: Float[np.ndarray, "n k"], reference: Float[np.ndarray, " k"]) -> Boxes:
    """The region above the reference that no point of the front dominates, cut along one objective after another.

    There are at most n + 1 boxes of two objectives, and in the order of n^(k - 1) of k.
    """
    cut = list(_cut(np.maximum(front, reference), reference))
    return Boxes(np.array([lower for lower, _ in cut]), np.array([upper for _, upper in cut]))


def expected_hypervolume_improvement(marginals: Sequence[Marginal], boxes: Boxes) -> Float[np.ndarray, " m"]:
    """What a measurement at each of m points is expected to add to the hypervolume of the front below the boxes.

    Args:
        marginals: one for each of k objectives.
    """
    widths: list[Callable[[np.ndarray], np.ndarray]] = []
    for place, marginal in enumerate(marginals):
        edges, index = np.unique(np.stack([boxes.lower[:, place], boxes.upper[:, place]]), return_inverse=True)
        lower, upper = index.reshape(2, -1)
        excess = marginal.excess(edges)
        widths.append(lambda rows, e=excess, a=lower, b=upper: e[rows][:, a] - e[rows][:, b])  # type: ignore[misc]
    num = len(marginals[0].mean)
    step = max(1, _MAX_CELLS // len(boxes.lower))
    parts = []
    for start in range(0, num, step):
        rows = np.arange(start, min(start + step, num))
        volumes = widths[0](rows)
        for width in widths[1:]:
            volumes = volumes * width(rows)
        parts.append(volumes.sum(axis=1))
    return np.concatenate(parts) if parts else np.zeros(0)


def _hinges(mean: np.ndarray, std: np.ndarray, at: np.ndarray) -> np.ndarray:
    """E[max(z - at, 0)] of Gaussians z, `[m, t]` (Jones, Schonlau & Welch 1998, eq. 15)."""
    spread = np.maximum(std, _TINY)[:, None]
    u = (mean[:, None] - at) / spread
    return spread * (u * ndtr(u) + np.exp(-0.5 * u * u) / np.sqrt(2 * np.pi))


def _cut(front: np.ndarray, reference: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Slabs between the values of the last objective, each cut by what dominates all of it in the others."""
    if front.shape[1] == 1:
        low = front.max() if len(front) else reference[0]
        return [(np.array([low]), np.array([np.inf]))]
    ends = np.unique(np.append(front[:, -1], reference[-1]))
    found = []
    for low, high in zip(ends, np.append(ends[1:], np.inf), strict=True):
        dominating = front[front[:, -1] >= high, :-1]
        for lower, upper in _cut(_maximal(dominating), reference[:-1]):
            found.append((np.append(lower, low), np.append(upper, high)))
    return found


def _maximal(points: np.ndarray) -> np.ndarray:
    """The points that no other one dominates, of equal ones the first."""
    points = np.unique(points, axis=0)
    if len(points) < 2:
        return points
    is_below = np.less_equal(points[:, None], points[None])
    is_beaten = np.all(is_below, axis=2) & np.any(np.less(points[:, None], points[None]), axis=2)
    return points[~is_beaten.any(axis=1)]
