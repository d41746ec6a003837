"""What is a front, and what it is worth: of values in rows, a column an objective, higher being better.

Hypervolumes and ranks are computed by moocore (López-Ibáñez et al., https://multi-objective.github.io/moocore), the
library of who wrote the algorithms. It is compiled, and not there for every machine: it is loaded when a front is asked
for, so that a search with one objective does without it.
"""

from types import ModuleType

import numpy as np
from jaxtyping import Bool, Float, Int


def nondominated(values: Float[np.ndarray, "n k"]) -> Bool[np.ndarray, " n"]:
    """Which rows no other one dominates; of equal rows the first one stays."""
    if not len(values):
        return np.zeros(0, bool)
    return np.asarray(_moocore().is_nondominated(_array(values), maximise=True, keep_weakly=False), bool)


def ranks(
    values: Float[np.ndarray, "n k"], violations: Float[np.ndarray, "n c"] | None = None
) -> Int[np.ndarray, " n"]:
    """Non-domination ranks, 0 for the front (Deb et al., "A fast and elitist multiobjective genetic algorithm", 2002).

    With constraints (definition 1 there): whatever keeps all of them ranks before whatever does not, and among the
    latter less violation, summed over the constraints, ranks before more.
    """
    broken = np.zeros(len(values)) if violations is None else np.maximum(violations, 0).sum(axis=1)
    found = np.zeros(len(values), np.int64)
    is_kept = broken <= 0
    num = 0
    if is_kept.any():
        found[is_kept] = _moocore().pareto_rank(_array(values[is_kept]), maximise=True)
        found[is_kept] -= found[is_kept].min()
        num = int(found[is_kept].max()) + 1
    found[~is_kept] = num + np.unique(broken[~is_kept], return_inverse=True)[1]
    return found


def crowding(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    """Crowding distances within one rank (Deb et al. 2002, section III B): infinite at the ends of each objective."""
    distances = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]] if len(order) else 0.0
        distances[order[[0, -1]]] = np.inf
        if span > 0:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distances


def hypervolume(values: Float[np.ndarray, "n k"], reference: Float[np.ndarray, " k"]) -> float:
    """The volume between the reference and the front; rows that are not above the reference everywhere add nothing."""
    return float(_moocore().hypervolume(_array(values), ref=reference, maximise=True)) if len(values) else 0.0


def contributions(values: Float[np.ndarray, "n k"], reference: Float[np.ndarray, " k"]) -> Float[np.ndarray, " n"]:
    """What the hypervolume would lack without each of the rows."""
    if not len(values):
        return np.zeros(0)
    return np.asarray(_moocore().hv_contributions(_array(values), ref=reference, maximise=True), np.float64)


def spread(values: Float[np.ndarray, "n k"], reference: Float[np.ndarray, " k"], num: int) -> list[int]:
    """Up to `num` rows, each of which adds most to the hypervolume of those before it; none that adds nothing."""
    left, chosen = list(np.flatnonzero(nondominated(values))), list[int]()
    volume = 0.0
    while left and len(chosen) < num:
        volumes = [hypervolume(values[np.array([*chosen, row])], reference) for row in left]
        best = int(np.argmax(volumes))
        if volumes[best] <= volume:
            break
        volume = volumes[best]
        chosen.append(int(left.pop(best)))
    return chosen


def _array(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float64)


def _moocore() -> ModuleType:
    import moocore

    return moocore
