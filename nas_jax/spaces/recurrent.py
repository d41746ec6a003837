"""Recurrent networks of text: a kind of cell, layers, widths, direction, pooling, dropout.

Of a language model the direction is forward, and there is no pooling: it answers at each token.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import jax.numpy as jnp
import jax.typing
import numpy as np
from jaxtyping import Float

from nas_jax.spaces.base import Cost
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.products import check_dropouts, check_known, genes_as, values_of, with_costs
from nas_jax.spaces.recurrent_network import CELLS, POOLS, RecurrentNetwork, RecurrentSettings, recurrent_cost
from nas_jax.trial import Genome


@dataclass(frozen=True)
class Recurrent:
    """Every combination of choices is a network of its own.

    Args:
        length, num_tokens: Of a text, and of the vocabulary; they come from the data set, and `num_outputs` and
            `signature` from the task.
        cells, num_layers, widths, embeddings, dropouts, directions, pools: The choices.

    Raises:
        ValueError: choices that there are not, or a task that needs other networks.
    """

    signatures: ClassVar[tuple[str, ...]] = ("tokens -> vector", "tokens -> sequence")

    length: int
    num_tokens: int
    num_outputs: int
    signature: str
    cells: tuple[str, ...] = ("lstm", "gru", "mgu", "simple")
    num_layers: tuple[int, ...] = (1, 2)
    widths: tuple[int, ...] = (32, 64, 128)
    embeddings: tuple[int, ...] = (16, 32, 64)
    dropouts: tuple[float, ...] = (0.0, 0.2, 0.4)
    directions: tuple[str, ...] = ("forward", "both")
    pools: tuple[str, ...] = POOLS

    def __post_init__(self) -> None:
        for name, known in (("cells", CELLS), ("directions", ("forward", "both")), ("pools", POOLS)):
            check_known(name, getattr(self, name), known)
        check_known("signature", [self.signature], self.signatures)
        check_dropouts(self.dropouts)
        _genes(self)

    @property
    def num_genomes(self) -> int:
        return _genes(self).num_genomes

    def genomes(self) -> Iterator[Genome]:
        return _genes(self).genomes()

    def sample(self, rng: np.random.Generator, num: int, exclude: Collection[Genome] = frozenset()) -> list[Genome]:
        """Uniform over genomes."""
        return _genes(self).sample(rng, num, exclude)

    def neighbors(self, genome: Genome) -> list[Genome]:
        """Those that differ in one gene."""
        return _genes(self).neighbors(genome)

    def mutate(self, rng: np.random.Generator, genome: Genome) -> Genome:
        """A random neighbour."""
        return _genes(self).mutate(rng, genome)

    def crossover(self, rng: np.random.Generator, first: Genome, second: Genome) -> Genome:
        """Each gene from either parent."""
        return _genes(self).crossover(rng, first, second)

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]:
        """One-hot genes, ranks of those that are numbers, log10 of parameters and FLOPs."""
        return with_costs(_genes(self).encode(genomes), [self.cost(genome) for genome in genomes])

    @property
    def gene_choices(self) -> dict[str, tuple[Any, ...]]:
        return _genes(self).gene_choices

    @property
    def feature_genes(self) -> tuple[str, ...]:
        """Those of genes, and the costs, which are no gene's."""
        return (*_genes(self).feature_genes, *Cost._fields)

    def genes_of(self, genome: Genome) -> dict[str, Any]:
        return _genes(self).genes_of(genome)

    def express(self, choices: Sequence[Any]) -> Genome | None:
        return _genes(self).express(choices)

    def describe(self, genome: Genome) -> str:
        """`cell=gru, num_layers=1, width=64, embedding=32, dropout=0.2, direction=both, pool=max`."""
        return _genes(self).describe(genome)

    def cost(self, genome: Genome) -> Cost:
        """Of a text of `length` tokens: two FLOPs for each multiply-add of a dense layer."""
        return recurrent_cost(self.settings(genome), self.length, self.num_tokens, self.num_outputs)

    def settings(self, genome: Genome) -> RecurrentSettings:
        return RecurrentSettings(**values_of(_genes(self), genome))

    def network(self, genome: Genome, dtype: jax.typing.DTypeLike = jnp.float32) -> RecurrentNetwork:
        return RecurrentNetwork(self.settings(genome), self.num_tokens, self.num_outputs, dtype)


@cache
def _genes(space: Recurrent) -> Categorical:
    genes: dict[str, Sequence[Any]] = {
        "cell": space.cells,
        "num_layers": space.num_layers,
        "width": space.widths,
        "embedding": space.embeddings,
        "dropout": space.dropouts,
    }
    if space.signature == "tokens -> vector":
        genes |= {"direction": space.directions, "pool": space.pools}
    return genes_as(genes)


make = Recurrent
