"""Hyperband: brackets of successive halving that differ in how early they stop.

Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization", JMLR 2018 (algorithm 1).
"""

from dataclasses import dataclass
from itertools import cycle

import numpy as np

from nas_jax.budgets import Budgets
from nas_jax.objectives import Objectives
from nas_jax.spaces.allowed import allowed
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal
from nas_jax.strategies.checks import checked_history
from nas_jax.strategies.rungs import Bracket, Rung, propose_in_turn, rung_budgets
from nas_jax.trial import History


@dataclass(frozen=True)
class Hyperband:
    """A bracket that begins at each rung, the first one first, each of about the same cost; then all over again.

    With `s` rungs above its first, a bracket starts `ceil((s_max + 1) / (s + 1) * eta^s)` genomes.

    Args:
        budgets: Those of the evaluator.
        eta: By what each rung has fewer trials than the one before, and a larger budget.
        smallest: The budget of the first rung of the first bracket; None for the smallest that there is.
        objectives: What the values are of: genomes that break a limit on a known cost are never proposed.

    Raises:
        ValueError: an evaluator with the full budget alone, or a number that is too small.
    """

    space: Space
    budgets: Budgets
    eta: int = 3
    smallest: int | None = None
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        rung_budgets(self.budgets, self.eta, self.smallest)

    @property
    def num_random(self) -> int:
        return self._brackets[0].num_configs

    @property
    def rungs(self) -> tuple[Rung, ...]:
        listed = enumerate(self._brackets)
        return tuple(rung for number, bracket in listed for rung in bracket.rungs(self.budgets, number))

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        space = allowed(self.space, self.objectives)
        return propose_in_turn(space, cycle(self._brackets), rng, checked_history(self.space, history), num)

    @property
    def _brackets(self) -> list[Bracket]:
        each = rung_budgets(self.budgets, self.eta, self.smallest)
        largest = len(each)  # s_max + 1
        nums = [-(-largest * self.eta**s // (s + 1)) for s in range(largest - 1, -1, -1)]
        most = self.space.num_genomes
        return [Bracket(min(num, most), each[first:], self.eta) for first, num in enumerate(nums)]


make = Hyperband
