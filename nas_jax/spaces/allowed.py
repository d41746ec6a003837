"""A space without the genomes that break a constraint on a cost that is known before any measurement."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from nas_jax.constraints import Constraint
from nas_jax.errors import UserError
from nas_jax.objectives import Objectives
from nas_jax.spaces.base import Cost, Extended, NetworkSpace, Space
from nas_jax.trial import Genome

_MAX_ENUMERATED = 20_000
_NUM_DRAWS = 256  # of the whole space at once
_MAX_DRAWS = 100_000  # after which a limit that nothing keeps is given up
_MAX_TRIES = 10  # of a crossover


def allowed(space: Space, objectives: Objectives | None) -> Space:
    """The space, less what breaks a constraint on a metric that is known exactly; the space itself without any such."""
    if isinstance(space, Extended):
        own = allowed(space.space, objectives)
        return space if own is space.space else space.over(own)
    if objectives is None or not isinstance(space, NetworkSpace):
        return space
    constraints = tuple(each for each in objectives.constraints if each.metric in objectives.known)
    return Allowed(space, constraints) if constraints else space


def known_metrics(space: Space, genomes: Sequence[Genome], metric: str) -> Float[np.ndarray, " n"]:
    """A known cost of each genome."""
    return np.array([getattr(cost_of(space, genome), metric) for genome in genomes], np.float64)


@lru_cache(maxsize=2**17)
def cost_of(space: Space, genome: Genome) -> Cost:
    """What the space says that a genome costs; asked for once."""
    own = space.space if isinstance(space, Extended) else space
    assert isinstance(own, NetworkSpace)  # others know no costs
    return own.cost(genome)


@dataclass(frozen=True)
class Allowed:
    """The genomes of `space` that keep constraints on known costs. Neighbours are those that do.

    Raises:
        UserError: when genomes are drawn, and there are none, or none among 100,000 random ones.
    """

    space: Space
    constraints: tuple[Constraint, ...]

    def allows(self, genome: Genome) -> bool:
        """Whether a genome keeps the constraints."""
        metrics: dict[str, Any] = cost_of(self.space, genome)._asdict()
        return all(broken <= 0 for constraint in self.constraints for broken in constraint.violations(metrics))

    @property
    def num_genomes(self) -> int:
        return len(_all_of(self)) if self.space.num_genomes <= _MAX_ENUMERATED else self.space.num_genomes

    def genomes(self) -> Iterator[Genome]:
        if self.space.num_genomes <= _MAX_ENUMERATED:
            yield from _all_of(self)
        else:
            yield from filter(self.allows, self.space.genomes())

    def sample(self, rng: np.random.Generator, num: int, exclude: Collection[Genome] = frozenset()) -> list[Genome]:
        excluded = frozenset(exclude)
        if self.space.num_genomes <= _MAX_ENUMERATED:
            left = [genome for genome in _all_of(self) if genome not in excluded]
            if not left and not _all_of(self):
                raise self._nothing()
            return [left[place] for place in rng.permutation(len(left))[:num]]
        found: dict[Genome, None] = {}
        num_drawn = 0
        while len(found) < num:
            drawn = self.space.sample(rng, _NUM_DRAWS, exclude=excluded | found.keys())
            num_drawn += len(drawn)
            found.update(dict.fromkeys(filter(self.allows, drawn)))
            if len(drawn) < _NUM_DRAWS:
                break
            if num_drawn >= _MAX_DRAWS:
                if not found and not any(map(self.allows, excluded)):
                    raise self._nothing()
                break  # all that is allowed, or nearly all, is excluded
        return list(found)[:num]

    def neighbors(self, genome: Genome) -> list[Genome]:
        return [neighbor for neighbor in self.space.neighbors(genome) if self.allows(neighbor)]

    def mutate(self, rng: np.random.Generator, genome: Genome) -> Genome:
        neighbors = self.neighbors(genome)
        if not neighbors:
            raise ValueError(f"{genome!r} has no neighbours that keep {self._limits}")
        return neighbors[rng.integers(len(neighbors))]

    def crossover(self, rng: np.random.Generator, first: Genome, second: Genome) -> Genome:
        """One of both that is allowed, or the first of them after ten that are not."""
        children = (self.space.crossover(rng, first, second) for _ in range(_MAX_TRIES))
        return next(filter(self.allows, children), first)

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]:
        return self.space.encode(genomes)

    def describe(self, genome: Genome) -> str:
        return self.space.describe(genome)

    @property
    def _limits(self) -> str:
        return " and ".join(map(str, self.constraints))

    def _nothing(self) -> UserError:
        return UserError(f"constraints: the space has no genome with {self._limits}, or hardly any; loosen the limits")


@lru_cache(maxsize=4)
def _all_of(space: Allowed) -> tuple[Genome, ...]:
    return tuple(filter(space.allows, space.space.genomes()))
