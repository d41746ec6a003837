"""Ablation by measuring: the winner with one gene changed at a time, measured as in the search.

What the surrogate says of a gene is a belief; this is an experiment. Each network is measured once, in the search or
here, so that differences of the size that another training seed makes mean nothing.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nas_jax.evaluators.base import Evaluator
from nas_jax.objectives import Objective
from nas_jax.search.loop import measure_all, new_trial, unfinished
from nas_jax.spaces.base import GeneSpace
from nas_jax.store import TrialStore
from nas_jax.trial import Genome, Trial


class Ablation(NamedTuple):
    """One neighbour of a genome."""

    trial: Trial
    changes: dict[str, tuple[Any, Any]]  # by gene: the genome's choice and the neighbour's; None has no effect
    difference: float  # of scores, the neighbour's less the genome's; NaN where either failed


def changes_of(space: GeneSpace, genome: Genome, other: Genome) -> dict[str, tuple[Any, Any]]:
    """The genes in which two genomes differ, with the choice of each."""
    genes, others = space.genes_of(genome), space.genes_of(other)
    return {name: (genes[name], others[name]) for name in genes if genes[name] != others[name]}


def pick_neighbors(space: GeneSpace, genome: Genome, num: int, *, seed: int) -> list[Genome]:
    """At most `num` of the genome's neighbours, such that as many genes as possible have their turn.

    Neighbours fall into groups by the genes that they change, in an order that the seed settles. The groups with the
    fewest genes come first, and each gives one before any gives another.
    """
    neighbors = space.neighbors(genome)
    groups: dict[tuple[str, ...], list[Genome]] = {}
    for place in np.random.default_rng(seed).permutation(len(neighbors)):
        changed = tuple(changes_of(space, genome, neighbors[place]))
        groups.setdefault(changed, []).append(neighbors[place])
    ordered = sorted(groups.values(), key=lambda group: len(changes_of(space, genome, group[0])))
    rounds = range(max(map(len, ordered), default=0))
    return [group[turn] for turn in rounds for group in ordered if turn < len(group)][:num]


def ablate(
    space: GeneSpace,
    evaluator: Evaluator,
    objective: Objective,
    store: TrialStore,
    searched: Sequence[Trial],
    genome: Genome,
    num: int,
    *,
    seed: int,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> list[Ablation]:
    """Measures `genome` and `num` of its neighbours, unless that has been done, and compares them.

    Args:
        evaluator: that of the search.
        store: where ablations are kept: what it holds is not measured again, what it holds unfinished comes first.
        searched: the trials of the search, which are not measured again either, those that failed apart.
        seed: settles which neighbours, and with the position in the store each training.
    """
    chosen = [genome, *pick_neighbors(space, genome, num, seed=seed)]
    known = {trial.genome for trial in [*_scored(objective, searched), *store.trials()]}
    missing = [each for each in chosen if each not in known]
    first = store.next_id()
    store.put(*(new_trial(space, first + place, each, "search", seed) for place, each in enumerate(missing)))
    measure_all(store, evaluator, iter(unfinished(store)), on_trial)
    measured = {trial.genome: trial for trial in [*store.trials(), *_scored(objective, searched)]}
    own = objective.finite_score(measured[genome])
    ablations = []
    for neighbor in chosen[1:]:
        score = objective.finite_score(measured[neighbor])
        difference = math.nan if own is None or score is None else score - own
        ablations.append(Ablation(measured[neighbor], changes_of(space, genome, neighbor), difference))
    return ablations


def _scored(objective: Objective, trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if objective.finite_score(trial) is not None]
