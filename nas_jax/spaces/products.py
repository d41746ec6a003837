"""Genes with listed choices whose every combination is a network: what spaces of that kind share."""

import abc
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from math import log10
from typing import Any, final

import numpy as np
from jaxtyping import Float

from nas_jax.spaces.base import Cost
from nas_jax.spaces.categorical import Categorical
from nas_jax.trial import Genome


class ProductSpace(abc.ABC):
    """All of a space but its genes and its networks: every combination of choices is a genome.

    A space of this kind is a frozen dataclass that has `choices`, `cost` and `network` (`spaces/base.py`), and calls
    `check_genes` when it is made. Nothing of what stands here is overridden.
    """

    @abc.abstractmethod
    def __hash__(self) -> int: ...

    @property
    @abc.abstractmethod
    def choices(self) -> Mapping[str, Sequence[Any]]:
        """The choices of each gene, by its name."""
        ...

    @abc.abstractmethod
    def cost(self, genome: Genome) -> Cost: ...

    @final
    def check_genes(self) -> None:
        """Raises ValueError where a gene has no choices, or one twice."""
        _genes_of(self)

    @final
    @property
    def num_genomes(self) -> int:
        return _genes_of(self).num_genomes

    @final
    def genomes(self) -> Iterator[Genome]:
        return _genes_of(self).genomes()

    @final
    def sample(self, rng: np.random.Generator, num: int, exclude: Collection[Genome] = frozenset()) -> list[Genome]:
        """Uniform over genomes."""
        return _genes_of(self).sample(rng, num, exclude)

    @final
    def neighbors(self, genome: Genome) -> list[Genome]:
        """Those that differ in one gene."""
        return _genes_of(self).neighbors(genome)

    @final
    def mutate(self, rng: np.random.Generator, genome: Genome) -> Genome:
        """A random neighbour."""
        return _genes_of(self).mutate(rng, genome)

    @final
    def crossover(self, rng: np.random.Generator, first: Genome, second: Genome) -> Genome:
        """Each gene from either parent."""
        return _genes_of(self).crossover(rng, first, second)

    @final
    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]:
        """One-hot genes, ranks of those that are numbers, log10 of parameters and FLOPs."""
        return with_costs(_genes_of(self).encode(genomes), [self.cost(genome) for genome in genomes])

    @final
    @property
    def gene_choices(self) -> dict[str, tuple[Any, ...]]:
        return _genes_of(self).gene_choices

    @final
    @property
    def feature_genes(self) -> tuple[str, ...]:
        """Those of genes, and the costs, which are no gene's."""
        return (*_genes_of(self).feature_genes, *Cost._fields)

    @final
    def genes_of(self, genome: Genome) -> dict[str, Any]:
        return _genes_of(self).genes_of(genome)

    @final
    def express(self, choices: Sequence[Any]) -> Genome | None:
        return _genes_of(self).express(choices)

    @final
    def describe(self, genome: Genome) -> str:
        """`num_layers=1, width=64, …`."""
        return _genes_of(self).describe(genome)


@cache
def _genes_of(space: ProductSpace) -> Categorical:
    return Categorical(genes=dict(space.choices))


def with_costs(features: Float[np.ndarray, "n d"], costs: Sequence[Cost]) -> Float[np.ndarray, "n d2"]:
    """The features, and log10 of parameters and FLOPs."""
    logs = np.array([[log10(cost.num_params), log10(cost.flops)] for cost in costs], np.float32).reshape(-1, 2)
    return np.concatenate([features, logs], axis=1, dtype=np.float32)


def check_known(field: str, given: Sequence[str], known: Collection[str]) -> None:
    """Raises ValueError unless all that is `given` is `known`."""
    for name in given:
        if name not in known:
            raise ValueError(f"{field}: there is no {name!r}; choose from {', '.join(known)}")


def check_dropouts(rates: Sequence[float]) -> None:
    """Raises ValueError unless they are shares below 1."""
    for rate in rates:
        if not 0 <= rate < 1:
            raise ValueError(f"dropouts: {rate} has to be at least 0 and below 1")
