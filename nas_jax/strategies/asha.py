"""ASHA: successive halving that never waits.

Li, Jamieson, Rostamizadeh, Gonina, Ben-Tzur, Hardt, Recht & Talwalkar, "A System for Massively Parallel Hyperparameter
Tuning", MLSys 2020 (algorithm 2, of the promotion type).
"""

from dataclasses import dataclass

import numpy as np

from nas_jax.budgets import Budgets
from nas_jax.objectives import Objectives
from nas_jax.spaces.allowed import allowed
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal, one_by_one, random_proposal
from nas_jax.strategies.checks import checked_history
from nas_jax.strategies.order import best_first
from nas_jax.strategies.rungs import Bracket, Rung, rung_budgets
from nas_jax.trial import Budget, History


@dataclass(frozen=True)
class Asha:
    """Promotes a genome as soon as it is among the best `1 / eta` of its rung, the highest rung first; else starts one.

    Where the space has no other genome the share of a rung is rounded up, so that one comes to the end. Genomes that
    failed count among those of their rung, as the worst, and are never promoted.

    Args:
        budgets: Those of the evaluator.
        eta: Of how many of a rung one goes on, and by what the budget grows.
        smallest: The budget of the first rung; None for the smallest that there is.
        num_brackets: In how many a rung is divided, the first of which begins at the first rung, the next one at the
            second and so on. New genomes go to them in the proportions of Hyperband.
        objectives: What the values are of: genomes that break a limit on a known cost are never proposed.

    Raises:
        ValueError: an evaluator with the full budget alone, or a number that is too small or too large.
    """

    space: Space
    budgets: Budgets
    eta: int = 3
    smallest: int | None = None
    num_brackets: int = 1
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        num_rungs = len(rung_budgets(self.budgets, self.eta, self.smallest))
        if not 1 <= self.num_brackets <= num_rungs:
            raise ValueError(f"num_brackets has to lie between 1 and {num_rungs}, the number of rungs: {self}")

    @property
    def num_random(self) -> int:
        return self.eta

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """For each genome that comes to the end; there are as many as may be."""
        each = self._each
        brackets = [
            Bracket(self.eta ** (len(each) - 1 - first), each[first:], self.eta) for first in range(self.num_brackets)
        ]
        return tuple(rung for number, bracket in enumerate(brackets) for rung in bracket.rungs(self.budgets, number))

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        return one_by_one(self._next, rng, checked_history(self.space, history), num)

    def _next(self, rng: np.random.Generator, history: History) -> Proposal | None:
        if promotion := self._promotion(history):
            return promotion
        if proposal := random_proposal(allowed(self.space, self.objectives), rng, history):
            return proposal._replace(budget=self._each[self._bracket_of(len(history.known))])
        return self._promotion(history, is_rounded_up=True)

    def _promotion(self, history: History, *, is_rounded_up: bool = False) -> Proposal | None:
        each = self._each
        if (row := self._promotable(history, each, is_rounded_up)) is None:
            return None
        rung = _rungs_of(history, each)[history.budgets[row]]
        return Proposal(history.genomes[row], each[rung + 1], continues=history.ids[row])

    def _promotable(self, history: History, each: tuple[Budget, ...], is_rounded_up: bool) -> int | None:
        """The row of the trial that is to be continued, of the highest rung and there the best."""
        num = len(history.genomes)
        rung_at = _rungs_of(history, each)
        rungs = np.fromiter(map(rung_at.__getitem__, history.budgets), np.intp, num)
        first_row = dict(zip(reversed(history.genomes), range(num - 1, -1, -1), strict=True))
        last_row = dict(zip(history.genomes, range(num), strict=True))
        starts = rungs[np.fromiter(map(first_row.__getitem__, history.genomes), np.intp, num)]
        is_last = np.fromiter(map(last_row.__getitem__, history.genomes), np.intp, num) == np.arange(num)
        failed = {*history.failed}
        counts = np.zeros((len(each), len(each) + 1), np.intp)  # of brackets and rungs
        np.add.at(counts, (starts, rungs), 1)
        for genome in failed:  # one that has finished nothing was in its first rung, most likely of the first bracket
            row = last_row.get(genome)
            counts[(0, 0) if row is None else (starts[row], rungs[row] + 1)] += 1
        closed = failed.union(history.pending)
        for rung in range(len(each) - 2, -1, -1):
            for start in range(rung + 1):
                rows = np.flatnonzero((starts == start) & (rungs == rung))
                share = (counts[start, rung] + (self.eta - 1) * is_rounded_up) // self.eta
                ranked = best_first(history, rows)[:share]
                for row in ranked[is_last[ranked]].tolist():
                    if history.genomes[row] not in closed:
                        return row
        return None

    def _bracket_of(self, number: int) -> int:
        """Where the genome starts that is the `number`-th of all, so that at any time the proportions are right."""
        size = len(self._each)
        weights = [size * self.eta ** (size - 1 - first) / (size - first) for first in range(self.num_brackets)]
        shares = np.array(weights) / sum(weights)
        counts = np.zeros(self.num_brackets)
        for _ in range(number if self.num_brackets > 1 else 0):
            counts[np.argmin((counts + 1) / shares)] += 1
        return int(np.argmin((counts + 1) / shares))

    @property
    def _each(self) -> tuple[Budget, ...]:
        return rung_budgets(self.budgets, self.eta, self.smallest)


def _rungs_of(history: History, each: tuple[Budget, ...]) -> dict[Budget | None, int]:
    """For each budget of a history the highest rung that is passed with it; that of None is the last."""

    def rung_of(budget: Budget) -> int:
        return max((rung for rung, other in enumerate(each) if other.epochs <= budget.epochs), default=0)

    return {budget: len(each) - 1 if budget is None else rung_of(budget) for budget in set(history.budgets)}


make = Asha
