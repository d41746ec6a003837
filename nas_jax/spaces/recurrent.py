"""Recurrent networks of text: a kind of cell, layers, widths, direction, pooling, dropout.

Of a language model the direction is forward, and there is no pooling: it answers at each token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from nas_jax.spaces.products import Blueprint, ProductSpace, check_dropouts, check_known, check_least
from nas_jax.spaces.recurrent_network import CELLS, POOLS, RecurrentNetwork, RecurrentSettings, recurrent_cost
from nas_jax.trial import Genome


@dataclass(frozen=True)
class Recurrent(ProductSpace):
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
        check_known(self, cells=CELLS, directions=("forward", "both"), pools=POOLS, signature=self.signatures)
        check_least(self, num_layers=0, widths=1, embeddings=1)
        check_dropouts(self.dropouts)
        self.check_genes()

    @property
    def choices(self) -> Mapping[str, Sequence[Any]]:
        genes: dict[str, Sequence[Any]] = {
            "cell": self.cells,
            "num_layers": self.num_layers,
            "width": self.widths,
            "embedding": self.embeddings,
            "dropout": self.dropouts,
        }
        if self.signature == "tokens -> vector":
            genes |= {"direction": self.directions, "pool": self.pools}
        return genes

    def blueprint(self, genome: Genome) -> Blueprint:
        settings = RecurrentSettings(**self.genes_of(genome))
        return Blueprint(
            settings,
            recurrent_cost(settings, self.length, self.num_tokens, self.num_outputs),
            partial(RecurrentNetwork, settings, self.num_tokens, self.num_outputs),
        )


make = Recurrent
