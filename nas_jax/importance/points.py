"""Points whose genes can be exchanged one by one, and the features of what comes out.

Importance is asked of points: rows of numbers, in which each gene has columns of its own. Where (nearly) every
combination of choices is a genome, a point is one choice for each gene and its features are those of the genome that
it stands for, so that no network is asked about that does not exist. A table with gaps has too few of them: there, a
point is the features themselves, and what is exchanged are all features of a gene.
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from nas_jax.spaces.base import GeneSpace
from nas_jax.trial import Genome

_NUM_TRIED = 1000  # random combinations, to see how many of them are genomes
_MAX_GAPS = 0.1


@runtime_checkable
class Points(Protocol):
    """A way to write genomes as points. Genes that cannot vary are left out."""

    @property
    def names(self) -> tuple[str, ...]:
        """The genes."""
        ...

    @property
    def columns(self) -> list[Int[np.ndarray, " _"]]:
        """The columns of each gene."""
        ...

    def points_of(self, rng: np.random.Generator, genomes: Sequence[Genome]) -> Float[np.ndarray, "n c"]:
        """The points of genomes. A gene that has no effect on a genome gets a random choice."""
        ...

    def sample(self, rng: np.random.Generator, num: int) -> Float[np.ndarray, "n c"]:
        """Independent draws."""
        ...

    def features(self, points: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n d"]:
        """As of the space's `encode`; rows of NaN where a point is no genome."""
        ...

    def choices(self, gene: int) -> list[tuple[Any, Float[np.ndarray, " _"]]]:
        """The choices of a gene, each with what it has in the gene's columns; none where these are no gene's."""
        ...


class ChoicePoints(NamedTuple):
    """The place of its choice for each gene; choices are independent and uniform."""

    space: GeneSpace

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, choices in self.space.gene_choices.items() if len(choices) > 1)

    @property
    def columns(self) -> list[Int[np.ndarray, " _"]]:
        return [np.array([column]) for column in range(len(self.names))]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many choices each gene has."""
        return tuple(len(self.space.gene_choices[name]) for name in self.names)

    @property
    def num_points(self) -> int:
        return math.prod(self.sizes)

    def all(self) -> Float[np.ndarray, "n c"]:
        """Every point; the last gene changes fastest."""
        return np.array(list(product(*map(range, self.sizes))), np.float64)

    def points_of(self, rng: np.random.Generator, genomes: Sequence[Genome]) -> Float[np.ndarray, "n c"]:
        points = self.sample(rng, len(genomes))
        gene_choices, names = self.space.gene_choices, self.names
        for point, genome in zip(points, genomes, strict=True):
            genes = self.space.genes_of(genome)
            for column, name in enumerate(names):
                if genes[name] is not None:
                    point[column] = gene_choices[name].index(genes[name])
        return points

    def sample(self, rng: np.random.Generator, num: int) -> Float[np.ndarray, "n c"]:
        return rng.integers(self.sizes, size=(num, len(self.sizes))).astype(np.float64)

    def features(self, points: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n d"]:
        expressed = [self.space.express(combination) for combination in self._combinations(points)]
        distinct = dict.fromkeys(genome for genome in expressed if genome is not None)
        places = {genome: place for place, genome in enumerate(distinct)}
        encoded = np.full((len(places) + 1, len(self.space.feature_genes)), np.nan)
        if places:
            encoded[:-1] = self.space.encode(list(places))
        return encoded[[-1 if genome is None else places[genome] for genome in expressed]]

    def choices(self, gene: int) -> list[tuple[Any, Float[np.ndarray, " _"]]]:
        named = self.space.gene_choices[self.names[gene]]
        return [(choice, np.array([float(place)])) for place, choice in enumerate(named)]

    def _combinations(self, points: Float[np.ndarray, "n c"]) -> list[tuple[Any, ...]]:
        """A choice for each gene of the space."""
        gene_choices, column_of = self.space.gene_choices, {name: column for column, name in enumerate(self.names)}
        varying = [(choices, column_of.get(name)) for name, choices in gene_choices.items()]
        rows = points.astype(int).tolist()
        return [tuple(choices[0 if c is None else row[c]] for choices, c in varying) for row in rows]


class FeaturePoints(NamedTuple):
    """The features of genomes, as `feature_genes` groups them; drawn from those of a sample of the space."""

    space: GeneSpace
    genomes: Sequence[Genome]
    x: Float[np.ndarray, "m d"]  # their features

    @property
    def names(self) -> tuple[str, ...]:
        varies = np.ptp(self.x, axis=0) > 0
        return tuple(dict.fromkeys(name for name, is_on in zip(self.space.feature_genes, varies, strict=True) if is_on))

    @property
    def columns(self) -> list[Int[np.ndarray, " _"]]:
        labels = np.array(self.space.feature_genes)
        return [np.flatnonzero(labels == name) for name in self.names]

    def points_of(self, rng: np.random.Generator, genomes: Sequence[Genome]) -> Float[np.ndarray, "n c"]:
        return self.space.encode(genomes).astype(np.float64)

    def sample(self, rng: np.random.Generator, num: int) -> Float[np.ndarray, "n c"]:
        return self.x[rng.integers(len(self.x), size=num)]

    def features(self, points: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n d"]:
        return points

    def choices(self, gene: int) -> list[tuple[Any, Float[np.ndarray, " _"]]]:
        name, columns = self.names[gene], self.columns[gene]
        rows = {self.space.genes_of(genome).get(name): row for genome, row in zip(self.genomes, self.x, strict=True)}
        return [(choice, rows[choice][columns]) for choice in self.space.gene_choices.get(name, ()) if choice in rows]


def points_for(space: GeneSpace, rng: np.random.Generator, num_genomes: int = 4096) -> ChoicePoints | FeaturePoints:
    """Points of choices where nine tenths of random ones are genomes, else of features."""
    points = ChoicePoints(space)
    tried = points.features(points.sample(rng, _NUM_TRIED))
    if np.isnan(tried).any(axis=1).mean() <= _MAX_GAPS:
        return points
    genomes = space.sample(rng, num_genomes)
    return FeaturePoints(space, genomes, space.encode(genomes).astype(np.float64))
