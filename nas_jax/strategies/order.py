"""Which finished trials are better than which, also where there are several objectives, or constraints."""

import numpy as np
from jaxtyping import Int

from nas_jax.fronts import crowding, ranks
from nas_jax.trial import History


def is_of_one(history: History) -> bool:
    """Whether there is one objective and nothing that constrains it."""
    return history.values.shape[1] == 1 and not history.violations.shape[1]


def best_first(history: History) -> Int[np.ndarray, " n"]:
    """The rows of the finished trials, the best one first.

    By score or, as NSGA-II does, by rank with constraint domination and then by crowding (`nas_jax.fronts`).
    """
    if is_of_one(history):
        return np.argsort(-history.scores, kind="stable")
    rank = ranks(history.values, history.violations)
    distance = np.zeros(len(rank))
    for each in np.unique(rank):
        distance[rank == each] = crowding(history.values[rank == each])
    return np.lexsort((np.arange(len(rank)), -distance, rank))
