"""Random search: the baseline that is hard to beat by little effort (Li & Talwalkar 2019)."""

import math
from dataclasses import dataclass

import numpy as np

from nas_jax.objectives import Objectives
from nas_jax.spaces.allowed import allowed
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal, random_proposals
from nas_jax.strategies.checks import checked_history
from nas_jax.trial import History


@dataclass(frozen=True)
class RandomSearch:
    """Draws from the space, never the same genome twice, and none that is known to break a constraint."""

    space: Space
    objectives: Objectives | None = None

    @property
    def num_random(self) -> float:
        return math.inf

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        return random_proposals(allowed(self.space, self.objectives), rng, checked_history(self.space, history), num)


make = RandomSearch
