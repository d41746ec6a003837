"""Which finished trials are better than which, also where there are several objectives, or constraints."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from nas_jax.fronts import crowding, ranks
from nas_jax.trial import History


def is_of_one(history: History) -> bool:
    """Whether there is one objective and nothing that constrains it."""
    return history.values.shape[1] == 1 and not history.violations.shape[1]


def best_first(history: History, rows: Sequence[int] | Int[np.ndarray, " n"] | None = None) -> Int[np.ndarray, " n"]:
    """The rows of the finished trials, or those of them that are given, the best one first and of equals the first.

    By score or, as NSGA-II does, by rank with constraint domination and then by crowding (`nas_jax.fronts`), both
    among these trials alone.
    """
    compared = np.arange(len(history.genomes)) if rows is None else np.asarray(rows, np.intp)
    if is_of_one(history):
        return compared[np.argsort(-history.scores[compared], kind="stable")]
    values = history.values[compared]
    rank = ranks(values, history.violations[compared])
    distance = np.zeros(len(rank))
    if values.shape[1] > 1:
        for each in np.unique(rank):
            distance[rank == each] = crowding(values[rank == each])
    return compared[np.lexsort((np.arange(len(rank)), -distance, rank))]
