"""Transformers of text: layers, width, heads, dense layers, places, normalisation, activation, dropout.

Those of a language model see no later token, answer at each one, and may share embeddings between input and output.
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
from nas_jax.spaces.transformer_network import (
    ACTIVATIONS,
    NORMS,
    POOLS,
    POSITIONS,
    TransformerNetwork,
    TransformerSettings,
    transformer_cost,
)
from nas_jax.trial import Genome


@dataclass(frozen=True)
class Transformer:
    """Every combination of choices is a network of its own.

    Args:
        length, num_tokens: Of a text, and of the vocabulary; they come from the data set, and `num_outputs` and
            `signature` from the task.
        num_layers, widths, num_heads, factors, positions, norms, activations, dropouts, pools, are_tied: The choices;
            factors are of the width, for the dense layer within.

    Raises:
        ValueError: choices that there are not, heads that do not divide a width, or a task that needs other networks.
    """

    signatures: ClassVar[tuple[str, ...]] = ("tokens -> vector", "tokens -> sequence")

    length: int
    num_tokens: int
    num_outputs: int
    signature: str
    num_layers: tuple[int, ...] = (1, 2, 3)
    widths: tuple[int, ...] = (32, 64, 128)
    num_heads: tuple[int, ...] = (1, 2, 4)
    factors: tuple[int, ...] = (1, 2, 4)
    positions: tuple[str, ...] = POSITIONS
    norms: tuple[str, ...] = NORMS
    activations: tuple[str, ...] = ("gelu", "relu")
    dropouts: tuple[float, ...] = (0.0, 0.1, 0.3)
    pools: tuple[str, ...] = POOLS
    are_tied: tuple[bool, ...] = (False, True)

    def __post_init__(self) -> None:
        for name, known in (
            ("positions", POSITIONS),
            ("norms", NORMS),
            ("activations", ACTIVATIONS),
            ("pools", POOLS),
        ):
            check_known(name, getattr(self, name), known)
        check_known("signature", [self.signature], self.signatures)
        check_dropouts(self.dropouts)
        if any(width % heads for width in self.widths for heads in self.num_heads):
            raise ValueError(f"num_heads={self.num_heads}: each has to divide each of widths={self.widths}")
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
        """`num_layers=2, width=64, num_heads=4, factor=2, position=learned, norm=before, …`."""
        return _genes(self).describe(genome)

    def cost(self, genome: Genome) -> Cost:
        """Of a text of `length` tokens: two FLOPs for each multiply-add of a dense layer, and of attention."""
        return transformer_cost(self.settings(genome), self.length, self.num_tokens, self.num_outputs)

    def settings(self, genome: Genome) -> TransformerSettings:
        return TransformerSettings(**values_of(_genes(self), genome))

    def network(self, genome: Genome, dtype: jax.typing.DTypeLike = jnp.float32) -> TransformerNetwork:
        return TransformerNetwork(self.settings(genome), self.num_tokens, self.num_outputs, dtype)


@cache
def _genes(space: Transformer) -> Categorical:
    genes: dict[str, Sequence[Any]] = {
        "num_layers": space.num_layers,
        "width": space.widths,
        "num_heads": space.num_heads,
        "factor": space.factors,
        "position": space.positions,
        "norm": space.norms,
        "activation": space.activations,
        "dropout": space.dropouts,
    }
    if space.signature == "tokens -> vector":
        genes["pool"] = space.pools
    else:
        genes["is_tied"] = space.are_tied
    return genes_as(genes)


make = Transformer
