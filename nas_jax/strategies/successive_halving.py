"""Successive halving: many trainings for a little, the better ones for longer, one rung after the other.

Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016.
"""

from dataclasses import dataclass
from itertools import repeat

import numpy as np

from nas_jax.budgets import Budgets
from nas_jax.objectives import Objectives
from nas_jax.spaces.allowed import allowed
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal
from nas_jax.strategies.checks import checked_history
from nas_jax.strategies.rungs import Bracket, Rung, propose_in_turn, rung_budgets
from nas_jax.trial import Budget, History


@dataclass(frozen=True)
class SuccessiveHalving:
    """Brackets of `num_configs` random genomes, one after the other; of each rung the best `1 / eta` go on.

    A rung is complete before the next one begins: with several workers some of them wait.

    Args:
        budgets: Those of the evaluator.
        eta: By what each rung has fewer trials than the one before, and a larger budget.
        smallest: The budget of the first rung; None for the smallest that there is.
        num_configs: None for so many that one is left for the full budget: `eta` to the number of promotions.
        objectives: What the values are of: genomes that break a limit on a known cost are never proposed.

    Raises:
        ValueError: an evaluator with the full budget alone, or a number that is too small.
    """

    space: Space
    budgets: Budgets
    eta: int = 3
    smallest: int | None = None
    num_configs: int | None = None
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        rung_budgets(self.budgets, self.eta, self.smallest)
        if self.num_configs is not None and self.num_configs < 1:
            raise ValueError(f"num_configs has to be at least 1, got {self.num_configs}")

    @property
    def num_random(self) -> int:
        return self._bracket.num_configs

    @property
    def rungs(self) -> tuple[Rung, ...]:
        return tuple(self._bracket.rungs(self.budgets, 0))

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        space = allowed(self.space, self.objectives)
        return propose_in_turn(space, repeat(self._bracket), rng, checked_history(self.space, history), num)

    @property
    def _bracket(self) -> Bracket:
        each: tuple[Budget, ...] = rung_budgets(self.budgets, self.eta, self.smallest)
        num_configs = self.num_configs or self.eta ** (len(each) - 1)
        return Bracket(min(num_configs, self.space.num_genomes), each, self.eta)


make = SuccessiveHalving
