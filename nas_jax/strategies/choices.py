"""What a search with budgets can do next: trainings to continue by one rung, and genomes to begin with."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from nas_jax.budgets import Budgets
from nas_jax.spaces.base import Extended, NetworkSpace, Space
from nas_jax.strategies.pools import Pool
from nas_jax.trial import Budget, Genome, History

_FIXED_SHARE = 0.1  # of the time of an epoch
_NARROWING = 3  # the least number of trainings that come to a rung, for each that goes on from it
_NUM_TYPICAL = 200  # genomes whose mean FLOPs are typical of a space


class Choices(NamedTuple):
    """Trainings that can go on, and those that can begin, each with its next budget."""

    genomes: list[Genome]
    continues: list[int | None]
    budgets: list[Budget]
    costs: Float[np.ndarray, " m"]  # of the next rung, in full trainings
    x: Float[np.ndarray, "m d"]
    training: Int[np.ndarray, " m"]
    is_begun: Bool[np.ndarray, " m"]
    is_open: Bool[np.ndarray, " m"]  # whether going on with it leaves enough trainings at the rungs below


def choices_of(features: Pool, history: History, each: tuple[Budget, ...], budgets: Budgets) -> Choices:
    """Trainings that neither failed, nor are under way, nor have the full budget; then the candidates of `features`.

    A training is open while at least `_NARROWING` have come to its rung for each that has gone on, itself included. All
    are where none would be.

    Args:
        features: of the history's finished, failed and pending genomes, and of candidates.
        each: the rungs, ascending.
    """
    number, last = numbers_of(history), last_rows(history)
    closed = {*history.failed, *history.pending}
    rows = [row for genome, row in last.items() if genome not in closed and next_rung(history.budgets[row], each)]
    known = features.known[rows]
    new = list(features.candidates)
    following = [next_rung(history.budgets[row], each) or each[-1] for row in rows]
    costs = [budgets.cost(budget, history.budgets[row]) for budget, row in zip(following, rows, strict=True)]
    is_open = np.append(_leaves_enough(history, following, each), np.ones(len(new), bool))
    return Choices(
        genomes=[*(history.genomes[row] for row in rows), *new],
        continues=[*(history.ids[row] for row in rows), *[None] * len(new)],
        budgets=[*following, *[each[0]] * len(new)],
        costs=np.array([*costs, *[budgets.cost(each[0])] * len(new)]),
        x=np.concatenate([known, features.x]),
        training=np.append([number[history.genomes[row]] for row in rows], len(number) + np.arange(len(new))).astype(
            int
        ),
        is_begun=np.arange(len(rows) + len(new)) < len(rows),
        is_open=is_open if is_open.any() else ~is_open,
    )


def _leaves_enough(history: History, following: Sequence[Budget], each: tuple[Budget, ...]) -> Bool[np.ndarray, " m"]:
    """Of trainings that would go on to these budgets; those under way count as having come there.

    One that has not come to the first rung, as where an earlier search had smaller ones, may always do so.
    """
    spent = dict(zip(history.genomes, map(epochs_of, history.budgets), strict=True))
    spent |= dict(zip(history.pending, map(epochs_of, history.pending_budgets), strict=True))
    reached = np.array(list(spent.values()))
    nums = {budget: int((reached >= budget.epochs).sum()) for budget in each}
    before = dict(zip(each[1:], each, strict=False))
    return np.array(
        [budget not in before or nums[before[budget]] >= _NARROWING * (nums[budget] + 1) for budget in following], bool
    )


def next_rung(reached: Budget | None, each: tuple[Budget, ...]) -> Budget | None:
    """The first rung beyond a budget, None where it is the full one."""
    return None if reached is None else next((budget for budget in each if budget > reached), None)


def last_rows(history: History) -> dict[Genome, int]:
    """The row of each genome's trial with the largest budget."""
    last: dict[Genome, int] = {}
    for row, genome in enumerate(history.genomes):
        if genome not in last or epochs_of(history.budgets[row]) >= epochs_of(history.budgets[last[genome]]):
            last[genome] = row
    return last


def epochs_of(budget: Budget | None) -> float:
    """Infinity for the full budget where it has no number."""
    return np.inf if budget is None else float(budget.epochs)


def numbers_of(history: History) -> dict[Genome, int]:
    """A number for each genome that was ever begun."""
    genomes = dict.fromkeys((*history.genomes, *history.failed, *history.pending))
    return {genome: number for number, genome in enumerate(genomes)}


def network_space(space: Space) -> NetworkSpace | None:
    """The space, without features beside, if it knows its networks."""
    own = space.space if isinstance(space, Extended) else space
    return own if isinstance(own, NetworkSpace) else None


def relative_seconds(space: NetworkSpace, genomes: Sequence[Genome]) -> Float[np.ndarray, " n"]:
    """How long an epoch of each network takes, in that of a typical one of the space, as its FLOPs say.

    A share of the typical time goes to what has nothing to do with FLOPs, as data and compilation do.
    """
    flops = np.array([space.cost(genome).flops for genome in genomes], np.float64)
    return (1 - _FIXED_SHARE) * flops / _typical_flops(space) + _FIXED_SHARE


@lru_cache(maxsize=2)  # a space is a frozen dataclass
def _typical_flops(space: NetworkSpace) -> float:
    drawn = space.sample(np.random.default_rng(0), min(_NUM_TYPICAL, space.num_genomes))
    return max(float(np.mean([space.cost(genome).flops for genome in drawn])), 1.0)
