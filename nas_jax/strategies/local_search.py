"""Local search: tries neighbours of the best genome, moves on to the first better one, restarts where there is none.

White, Nolen & Savani, "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021 (algorithm 1, in its
variant that moves without having seen all neighbours).

Of several objectives, or under constraints, it tries neighbours of any member of the front: Paquete, Chiarandini &
Stützle, "Pareto Local Optimum Sets in the Biobjective Traveling Salesman Problem", 2004.
"""

from dataclasses import dataclass

import numpy as np

from nas_jax.fronts import ranks
from nas_jax.objectives import Objectives
from nas_jax.spaces.allowed import allowed
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal, one_by_one, random_proposal
from nas_jax.strategies.checks import checked_history
from nas_jax.strategies.order import is_of_one
from nas_jax.trial import Genome, History


@dataclass(frozen=True)
class LocalSearch:
    """First improvement, from the best of `num_initial` random genomes; each restart from one random genome."""

    space: Space
    num_initial: int = 10
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        if self.num_initial < 1:
            raise ValueError(f"num_initial has to be at least 1: {self}")

    @property
    def num_random(self) -> int:
        return self.num_initial

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        return one_by_one(self._next, rng, checked_history(self.space, history), num)

    def _next(self, rng: np.random.Generator, history: History) -> Proposal | None:
        space = allowed(self.space, self.objectives)
        if history.genomes and len(history.known) >= self.num_initial:
            known = history.known
            for current in [self._current(history)] if is_of_one(history) else self._front(rng, history):
                untried = [genome for genome in space.neighbors(current) if genome not in known]
                if untried:
                    return Proposal(untried[rng.integers(len(untried))])
        return random_proposal(space, rng, history)

    def _front(self, rng: np.random.Generator, history: History) -> list[Genome]:
        """What no other genome dominates, in random order."""
        rows = rng.permutation(np.flatnonzero(ranks(history.values, history.violations) == 0))
        return [history.genomes[row] for row in rows]

    def _current(self, history: History) -> Genome:
        """Where the search stands, by going again through all that was measured.

        It restarts where all neighbours have been tried. Any other genome that is no neighbour was one of an earlier
        genome: it was proposed before the search moved on, by another worker or in the same batch.
        """
        first = min(self.num_initial, len(history.genomes))
        position = int(np.argmax(history.scores[:first]))
        current, score = history.genomes[position], history.scores[position]
        neighbors = set(self.space.neighbors(current))
        tried = {*history.genomes[:first], *history.failed, *history.pending}
        for genome, found in zip(history.genomes[first:], history.scores[first:], strict=True):
            is_restart = genome not in neighbors and neighbors <= tried
            if is_restart or found > score:
                current, score = genome, found
                neighbors = set(self.space.neighbors(current))
            tried.add(genome)
        return current


make = LocalSearch
