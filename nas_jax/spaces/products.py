"""Genes with listed choices whose every combination is a network: what spaces of that kind share."""

import abc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from math import log10
from typing import Any, NamedTuple, final

import jax.numpy as jnp
import jax.typing
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from nas_jax.spaces.base import Cost
from nas_jax.spaces.categorical import Categorical
from nas_jax.trial import Genome


class Blueprint(NamedTuple):
    """What a genome stands for: the settings of its network, what that costs, and what makes it, given its type."""

    settings: Any
    cost: Cost
    make: Callable[[jax.typing.DTypeLike], nn.Module]


class ProductSpace(abc.ABC):
    """All of a space but its genes and its networks: every combination of choices is a genome.

    A space of this kind is a frozen dataclass that has `choices` and `blueprint`, and calls `check_genes` when it is
    made. Nothing of what stands here is overridden.
    """

    @abc.abstractmethod
    def __hash__(self) -> int: ...

    @property
    @abc.abstractmethod
    def choices(self) -> Mapping[str, Sequence[Any]]:
        """The choices of each gene, by its name."""
        ...

    @abc.abstractmethod
    def blueprint(self, genome: Genome) -> Blueprint:
        """What the choices of a genome (`genes_of`) come to."""
        ...

    @final
    def settings(self, genome: Genome) -> Any:
        return self.blueprint(genome).settings

    @final
    def cost(self, genome: Genome) -> Cost:
        """Parameters, and FLOPs of an image or of a text of `length` tokens: two for each multiply-add."""
        return self.blueprint(genome).cost

    @final
    def network(self, genome: Genome, dtype: jax.typing.DTypeLike = jnp.float32) -> nn.Module:
        return self.blueprint(genome).make(dtype)

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


def check_known(space: ProductSpace, **fields: Collection[str]) -> None:
    """Raises ValueError where a field, a name or several, has one that is not among those that are known."""
    for field, known in fields.items():
        given = getattr(space, field)
        for name in [given] if isinstance(given, str) else given:
            if name not in known:
                raise ValueError(f"{field}: there is no {name!r}; choose from {', '.join(known)}")


def check_least(space: ProductSpace, **fields: int) -> None:
    """Raises ValueError where one of the numbers of a field is below what is given for it."""
    for field, least in fields.items():
        for number in getattr(space, field):
            if number < least:
                raise ValueError(f"{field}: {number} is too small, each has to be at least {least}")


def check_odd(field: str, numbers: Sequence[int]) -> None:
    """Raises ValueError where one is even."""
    if any(number % 2 == 0 for number in numbers):
        raise ValueError(f"{field}: each has to be odd, got {numbers}")


def check_dropouts(rates: Sequence[float]) -> None:
    """Raises ValueError unless they are shares below 1."""
    for rate in rates:
        if not 0 <= rate < 1:
            raise ValueError(f"dropouts: {rate} has to be at least 0 and below 1")
