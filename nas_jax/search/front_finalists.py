"""Which genomes are trained in full where there are several objectives, or constraints: a spread of the whole front."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from nas_jax.fronts import spread
from nas_jax.parts import Parts
from nas_jax.spaces.allowed import known_metrics
from nas_jax.strategies.base import Proposal
from nas_jax.strategies.targets import OF_A_LIMIT
from nas_jax.trial import Genome, History, Prediction


def rank_front(parts: Parts, history: History, x: Float[np.ndarray, "n d"], fresh: Sequence[Genome]) -> list[Proposal]:
    """Picks, by what mixtures of fits expect, those that together cover the most hypervolume; the most telling first.

    What was found or is expected to be infeasible is left out while there is anything else.

    Args:
        x: scaled features of the finished, the failed and the fresh genomes.
    """
    settings, num = parts.finals.settings, len(history.genomes)
    pool = [*history.genomes, *fresh]
    candidates = np.delete(x, np.arange(num, num + len(history.failed)), axis=0)
    reference = parts.objectives.reference(history)
    columns = [_known(parts, place, pool) for place in range(len(parts.objectives))]
    key = jax.random.key(parts.seed)
    learning = {
        place: parts.learner.of(parts.objectives.metrics[place]).mixtures(
            jax.random.fold_in(key, place), x, history.of(history.values[:, place]), candidates
        )
        for place, known in enumerate(columns)
        if known is None
    }
    limits = [
        parts.learner.of(OF_A_LIMIT).mixtures(jax.random.fold_in(key, 100 + place), x, history.of(-margin), candidates)
        for place, margin in enumerate(history.violations.T)
        if np.any(margin > 0)
    ]
    picks: list[int] = []
    for _ in range(settings.max_doublings + 1):
        columns = [next(learning[place]) if place in learning else known for place, known in enumerate(columns)]
        broken = np.array([[max(-each.mean, 0) for each in next(limit)] for limit in limits]).sum(axis=0)
        broken = np.broadcast_to(broken, len(pool)).copy()
        broken[:num] = np.maximum(history.violations, 0).sum(axis=1)
        means = np.array([[each.mean for each in column or ()] for column in columns]).T
        before, picks = set(picks), _cover(means, broken, reference, settings.num_finalists)
        if set(picks) == before or not learning:
            break
    return [Proposal(pool[row], predictions=tuple((column or [])[row] for column in columns)) for row in picks]


def _known(parts: Parts, place: int, pool: Sequence[Genome]) -> list[Prediction] | None:
    """The values of an objective that the space tells; None of one that has to be learned."""
    objective = parts.objectives.each[place]
    if objective.metric not in parts.objectives.known:
        return None
    values = objective.sign * known_metrics(parts.space, pool, objective.metric)
    return [Prediction(float(value), 0.0) for value in values]


def _cover(means: np.ndarray, broken: np.ndarray, reference: np.ndarray, num: int) -> list[int]:
    """Up to `num` rows: a spread of the front, then of what is the front without them; feasible ones before others."""
    chosen: list[int] = []
    for is_in in (broken <= 0, broken > 0):
        left = np.flatnonzero(is_in)
        if chosen:
            break  # nothing infeasible beside what is feasible
        while len(chosen) < num and len(left):
            found = left[spread(means[left], reference, num - len(chosen))]
            if not len(found):  # all are below the reference: by how much they break, then by their ranks in all means
                worth = np.argsort(np.argsort(means[left], axis=0, kind="stable"), axis=0, kind="stable").sum(axis=1)
                found = left[np.lexsort((-worth, np.maximum(broken[left], 0)))[: num - len(chosen)]]
            chosen += found.tolist()
            left = np.setdiff1d(left, found)
    return chosen
