"""Transformers of text: layers, width, heads, dense layers, places, normalisation, activation, dropout.

Those of a language model see no later token, answer at each one, and may share embeddings between input and output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from nas_jax.spaces.products import Blueprint, ProductSpace, check_dropouts, check_known, check_least
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
        check_known(self, positions=POSITIONS, norms=NORMS, activations=ACTIVATIONS, pools=POOLS)
        check_known(self, signature=self.signatures)
        check_least(self, num_layers=0, widths=1, num_heads=1, factors=1)
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

    def blueprint(self, genome: Genome) -> Blueprint:
        settings = TransformerSettings(**self.genes_of(genome))
        return Blueprint(
            settings,
            transformer_cost(settings, self.length, self.num_tokens, self.num_outputs),
            partial(TransformerNetwork, settings, self.length, self.num_tokens, self.num_outputs),
        )


make = Transformer
