"""Rungs: the budgets at which trainings are compared, and what schedules of them have in common.

Synchronous schedules (`successive_halving`, `hyperband`) run one bracket after the other, and in it one rung after the
other: whatever is pending is of the rung that is under way. So the history need not say which trial was of which rung;
the order in which the trials were proposed says it.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from nas_jax.budgets import Budgets
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal
from nas_jax.strategies.order import best_first
from nas_jax.trial import Budget, History


class Rung(NamedTuple):
    """So many trials of one budget. `cost` is that of all of them, in full measurements: of what each adds."""

    bracket: int
    budget: Budget
    num_trials: int
    cost: float


@runtime_checkable
class HasRungs(Protocol):
    """A strategy that knows beforehand at which budgets it compares, and how many trials."""

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """Bracket by bracket; the whole repeats itself."""
        ...


class Bracket(NamedTuple):
    """`num_configs` start at the first of the budgets; of each rung `1 / eta` go on to the next one, at least one."""

    num_configs: int
    budgets: tuple[Budget, ...]
    eta: int

    def sizes(self) -> list[int]:
        """How many trials each rung has where none fail."""
        return [max(self.num_configs // self.eta**rung, 1) for rung in range(len(self.budgets))]

    def rungs(self, budgets: Budgets, number: int) -> list[Rung]:
        starts = (None, *self.budgets)
        return [
            Rung(number, budget, size, size * budgets.cost(budget, start))
            for budget, start, size in zip(self.budgets, starts, self.sizes(), strict=False)
        ]


def rung_budgets(budgets: Budgets, eta: int, smallest: int | None) -> tuple[Budget, ...]:
    """The budgets from the smallest on, each `eta` times the one before or the next larger; then the full one.

    The last one below the full budget is left out where they are nearer than by a factor of the root of `eta`.

    Raises:
        ValueError: there is but one budget, `eta` is no factor, or the smallest is not below the full one.
    """
    if eta < 2:
        raise ValueError(f"eta has to be at least 2, got {eta}")
    if len(budgets.each) < 2:
        raise ValueError(
            f"this strategy stops trainings early, and {budgets.if_one}, or take a strategy that trains in full, as "
            "--config.strategy=bayesopt"
        )
    first = budgets.each[0] if smallest is None else smallest
    if not 1 <= first < budgets.full.epochs:
        raise ValueError(f"smallest has to be at least 1 and below the full budget, {budgets.full.epochs}: {first}")
    budget, found = budgets.at_least(first), list[Budget]()
    while budget.epochs * math.sqrt(eta) <= budgets.full.epochs:
        found.append(budget)
        budget = budgets.at_least(budget.epochs * eta)
    return (*found, budgets.full)


def describe_rungs(rungs: Sequence[Rung]) -> list[str]:
    """A table for a person, a line each."""
    lines = [f"{'bracket':>7}  {'budget':>8}  {'trials':>7}  cost in full trainings"]
    lines += [
        f"{rung.bracket + 1:>7}  {rung.budget.epochs:>8}  {rung.num_trials:>7}  {rung.cost:.2f}" for rung in rungs
    ]
    total = sum(rung.cost for rung in rungs)
    return [*lines, f"{'all':>7}  {'':>8}  {sum(rung.num_trials for rung in rungs):>7}  {total:.2f}"]


def propose_in_turn(
    space: Space, brackets: Iterator[Bracket], rng: np.random.Generator, history: History, num: int
) -> list[Proposal]:
    """The next proposals of brackets that follow each other; none while a rung that is full has pending trials.

    It replays the schedule: `place` runs over all trials in the order in which they were proposed. A bracket for which
    the space has too few genomes left is one of as many as there are.
    """
    row_at = {place: row for row, place in enumerate(history.places)}
    known = history.known
    num_trials = len(history.ids) + len(history.failed) + len(history.pending)
    place = num_started = 0
    for bracket in brackets:
        num_new = min(bracket.num_configs, len(known) - num_started)
        if num_new < bracket.num_configs and place + num_new == num_trials:  # it is being filled
            fresh = space.sample(rng, min(num, bracket.num_configs - num_new), exclude=known)
            if fresh:
                return [Proposal(genome, bracket.budgets[0]) for genome in fresh]
        if num_new == 0:
            return []
        num_started += num_new
        rows = [row_at[each] for each in range(place, place + num_new) if each in row_at]
        place += num_new
        sizes = bracket._replace(num_configs=num_new).sizes()
        for budget, size in zip(bracket.budgets[1:], sizes[1:], strict=True):
            if place == num_trials and history.pending:
                return []  # until the last of the rung has ended
            best = best_first(history, rows)[:size].tolist()
            held = [row for row in best if not _is_below(history.budgets[row], budget)]
            promoted = [row for row in best if _is_below(history.budgets[row], budget)]
            num_begun = min(num_trials - place, len(promoted))
            if num_begun < len(promoted):
                left = promoted[num_begun : num_begun + num]
                return [Proposal(history.genomes[row], budget, continues=history.ids[row]) for row in left]
            rows = held + [row_at[each] for each in range(place, place + num_begun) if each in row_at]
            place += num_begun
        if place == num_trials and history.pending:
            return []
    return []


def _is_below(reached: Budget | None, budget: Budget) -> bool:
    return reached is not None and reached.epochs < budget.epochs
