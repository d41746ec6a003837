"""A space whose genomes are encoded with features beside: the space that surrogates see.

Strategies, the finalists' pick and the report all ask a space for the features of its genomes, so that one that adds to
them serves all of these, and whatever strategy somebody writes.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from nas_jax.features.base import Features
from nas_jax.spaces.base import GeneSpace, Space
from nas_jax.trial import Genome


@dataclass(frozen=True)
class FeaturedSpace:
    """The genomes of `space`, which `encode` writes as that does, with `features` behind.

    A last column is one where any feature is missing. A feature that is missing is NaN here; where features are scaled
    (`strategies/pools.py`) the mean of the others takes its place.
    """

    space: Space
    features: Features

    def over(self, space: Space) -> Space:
        return with_features(space, self.features)

    @property
    def limit(self) -> int | None:
        return self.features.limit

    @property
    def num_genomes(self) -> int:
        return self.space.num_genomes

    def genomes(self) -> Iterator[Genome]:
        return self.space.genomes()

    def sample(self, rng: np.random.Generator, num: int, exclude: Collection[Genome] = frozenset()) -> list[Genome]:
        return self.space.sample(rng, num, exclude)

    def mutate(self, rng: np.random.Generator, genome: Genome) -> Genome:
        return self.space.mutate(rng, genome)

    def neighbors(self, genome: Genome) -> list[Genome]:
        return self.space.neighbors(genome)

    def crossover(self, rng: np.random.Generator, first: Genome, second: Genome) -> Genome:
        return self.space.crossover(rng, first, second)

    def describe(self, genome: Genome) -> str:
        return self.space.describe(genome)

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]:
        features = self.features.of(genomes)
        is_missing = np.isnan(features).any(axis=1, keepdims=True)
        return np.concatenate([self.space.encode(genomes), features, is_missing], axis=1).astype(np.float32)


@dataclass(frozen=True)
class FeaturedGeneSpace(FeaturedSpace):
    """Of a space that knows its genes."""

    space: GeneSpace

    @property
    def gene_choices(self) -> dict[str, tuple[Any, ...]]:
        return self.space.gene_choices

    @property
    def feature_genes(self) -> tuple[str, ...]:
        """Those of the space, then what is no gene's: the features."""
        return (*self.space.feature_genes, *self.features.names, "missing")

    def genes_of(self, genome: Genome) -> dict[str, Any]:
        return self.space.genes_of(genome)

    def express(self, choices: Sequence[Any]) -> Genome | None:
        return self.space.express(choices)


def with_features(space: Space, features: Features | None) -> Space:
    """What a surrogate sees of a space; the space itself where there are no features."""
    if features is None:
        return space
    return FeaturedGeneSpace(space, features) if isinstance(space, GeneSpace) else FeaturedSpace(space, features)
