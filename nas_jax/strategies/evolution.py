"""Regularised evolution: the best of a few random members of the population has a mutant, the oldest member dies.

Real, Aggarwal, Huang & Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019 (algorithm 1).

Of several objectives, or under constraints, it is NSGA-II, a child at a time: the best of all by rank and crowding are
the population, and two of its members, each the better one of two, have a child (Deb, Pratap, Agarwal & Meyarivan, "A
Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", 2002).
"""

from dataclasses import dataclass

import numpy as np

from nas_jax.objectives import Objectives
from nas_jax.spaces.allowed import allowed
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal, one_by_one, random_proposal
from nas_jax.strategies.checks import checked_history
from nas_jax.strategies.order import best_first, is_of_one
from nas_jax.trial import History

_MUTATED = 0.5  # of the children of two
_MAX_TRIES = 100  # mutants that are known already, before a random genome takes their place


@dataclass(frozen=True)
class Evolution:
    """The population is the last `population_size` genomes that were measured; `tournament_size` of them compete."""

    space: Space
    population_size: int = 20
    tournament_size: int = 5
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.tournament_size <= self.population_size:
            raise ValueError(f"tournament_size has to lie between 1 and population_size: {self}")

    @property
    def num_random(self) -> int:
        return self.population_size

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        return one_by_one(self._next, rng, checked_history(self.space, history), num)

    def _next(self, rng: np.random.Generator, history: History) -> Proposal | None:
        space = allowed(self.space, self.objectives)
        if not is_of_one(history):
            return self._next_of_front(rng, space, history)
        known, alive = history.known, range(len(history.genomes))[-self.population_size :]
        if len(known) >= self.population_size and alive:
            for _ in range(_MAX_TRIES):
                rivals = rng.choice(alive, min(self.tournament_size, len(alive)), replace=False)
                parent = history.genomes[rivals[np.argmax(history.scores[rivals])]]
                if space.neighbors(parent) and (child := space.mutate(rng, parent)) not in known:
                    return Proposal(child)
        return random_proposal(space, rng, history)

    def _next_of_front(self, rng: np.random.Generator, space: Space, history: History) -> Proposal | None:
        """A child of two members of the population, of whom each was the better one of two."""
        known, population = history.known, best_first(history)[: self.population_size]
        if len(known) >= self.population_size and len(population):
            for _ in range(_MAX_TRIES):
                first, second = (
                    history.genomes[population[place]] for place in rng.integers(len(population), size=(2, 2)).min(1)
                )
                child = space.crossover(rng, first, second)
                if (child in known or rng.random() < _MUTATED) and space.neighbors(child):
                    child = space.mutate(rng, child)
                if child not in known:
                    return Proposal(child)
        return random_proposal(space, rng, history)


make = Evolution
