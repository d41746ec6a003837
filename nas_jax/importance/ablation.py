"""Ablation by measuring: the winner with one gene changed at a time, measured in full as in the search.

What the surrogate says of a gene is a belief; this is an experiment. Each network is measured once, in the search or
here, so that differences of the size that another training seed makes mean nothing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nas_jax.importance.of_run import gene_space
from nas_jax.run import Run, unfinished
from nas_jax.search.loop import measure_all, new_trial
from nas_jax.spaces.base import GeneSpace
from nas_jax.strategies.base import Proposal
from nas_jax.trial import Genome, Trial


class Ablation(NamedTuple):
    """One neighbour of a genome."""

    trial: Trial
    changes: dict[str, tuple[Any, Any]]  # by gene: the genome's choice and the neighbour's; None has no effect
    differences: tuple[
        float, ...
    ]  # of each objective's values, the neighbour's less the genome's; NaN where one failed


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
    turns = range(max(map(len, ordered), default=0))
    return [group[turn] for turn in turns for group in ordered if turn < len(group)][:num]


def ablate(run: Run, searched: Sequence[Trial], genome: Genome, num: int) -> list[Ablation]:
    """Measures `genome` and `num` of its neighbours as in the search, unless that has been done, and compares them.

    Args:
        run: whose store is that of the ablations: what it holds is not measured again, what it holds unfinished comes
            first.
        searched: the trials of the search, of which those that were measured in full are not measured again either.
    """
    parts, store = run.parts, run.store
    space = gene_space(parts.space)
    chosen = [genome, *pick_neighbors(space, genome, num, seed=parts.seed)]
    full = parts.search.budgets.full
    whole = [trial for trial in searched if (trial.budget or full) == full]
    known = [trial for trial in whole if parts.objectives.values(trial) is not None]
    known_genomes = {trial.genome for trial in [*known, *store.trials()]}
    missing = [each for each in chosen if each not in known_genomes]
    first = store.next_id()
    store.put(*(new_trial(parts, first + place, Proposal(each), "search") for place, each in enumerate(missing)))
    for _ in measure_all(store, parts.search.evaluator, iter(unfinished(store)), run.listeners):
        pass
    measured = {trial.genome: trial for trial in [*store.trials(), *known]}
    return [
        Ablation(measured[neighbor], changes_of(space, genome, neighbor), _differences(run, measured, neighbor, genome))
        for neighbor in chosen[1:]
    ]


def _differences(run: Run, measured: dict[Genome, Trial], neighbor: Genome, genome: Genome) -> tuple[float, ...]:
    values, own = (run.parts.objectives.values(measured[each]) for each in (neighbor, genome))
    if values is None or own is None:
        return (float("nan"),) * len(run.parts.objectives)
    return tuple((values - own).tolist())
