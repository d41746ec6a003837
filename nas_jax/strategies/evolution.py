"""Regularised evolution: the best of a few random members of the population has a mutant, the oldest member dies.

Real, Aggarwal, Huang & Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019 (algorithm 1).
"""

from dataclasses import dataclass

import numpy as np

from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal, one_by_one, random_proposal
from nas_jax.strategies.checks import checked_history
from nas_jax.trial import History

_MAX_TRIES = 100  # mutants that are known already, before a random genome takes their place


@dataclass(frozen=True)
class Evolution:
    """The population is the last `population_size` genomes that were measured; `tournament_size` of them compete."""

    space: Space
    population_size: int = 20
    tournament_size: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.tournament_size <= self.population_size:
            raise ValueError(f"tournament_size has to lie between 1 and population_size: {self}")

    @property
    def num_random(self) -> int:
        return self.population_size

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        return one_by_one(self._next, rng, checked_history(self.space, history), num)

    def _next(self, rng: np.random.Generator, history: History) -> Proposal | None:
        known, alive = history.known, range(len(history.genomes))[-self.population_size :]
        if len(known) >= self.population_size and alive:
            for _ in range(_MAX_TRIES):
                rivals = rng.choice(alive, min(self.tournament_size, len(alive)), replace=False)
                parent = history.genomes[rivals[np.argmax(history.scores[rivals])]]
                if self.space.neighbors(parent) and (child := self.space.mutate(rng, parent)) not in known:
                    return Proposal(child)
        return random_proposal(self.space, rng, history)


make = Evolution
