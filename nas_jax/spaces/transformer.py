"""Transformers of text: layers, width, heads, dense layers, places, normalisation, activation, dropout.

Those of a language model see no later token, answer at each one, and may share embeddings between input and output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import jax.typing

from nas_jax.spaces.base import Cost
from nas_jax.spaces.products import ProductSpace, check_dropouts, check_known
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
class Transformer(ProductSpace):
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
        self.check_genes()

    @property
    def choices(self) -> Mapping[str, Sequence[Any]]:
        genes: dict[str, Sequence[Any]] = {
            "num_layers": self.num_layers,
            "width": self.widths,
            "num_heads": self.num_heads,
            "factor": self.factors,
            "position": self.positions,
            "norm": self.norms,
            "activation": self.activations,
            "dropout": self.dropouts,
        }
        if self.signature == "tokens -> vector":
            genes["pool"] = self.pools
        else:
            genes["is_tied"] = self.are_tied
        return genes

    def cost(self, genome: Genome) -> Cost:
        """Of a text of `length` tokens: two FLOPs for each multiply-add of a dense layer, and of attention."""
        return transformer_cost(self.settings(genome), self.length, self.num_tokens, self.num_outputs)

    def settings(self, genome: Genome) -> TransformerSettings:
        return TransformerSettings(**self.genes_of(genome))

    def network(self, genome: Genome, dtype: jax.typing.DTypeLike = jnp.float32) -> TransformerNetwork:
        return TransformerNetwork(self.settings(genome), self.length, self.num_tokens, self.num_outputs, dtype)


make = Transformer
