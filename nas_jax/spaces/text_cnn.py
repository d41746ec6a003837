"""Convolutional networks of text (Kim 2014): filters of a few sizes side by side, each of which looks for an n-gram."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from nas_jax.spaces.products import Blueprint, ProductSpace, check_dropouts, check_known, check_least
from nas_jax.spaces.text_cnn_network import ACTIVATIONS, POOLS, TextCnnNetwork, TextCnnSettings, text_cnn_cost
from nas_jax.trial import Genome


@dataclass(frozen=True)
class TextCnn(ProductSpace):
    """Every combination of choices is a network of its own.

    Args:
        length, num_tokens: Of a text, and of the vocabulary; they come from the data set, and `num_outputs` from the
            task.
        kernel_sizes: In tokens, those that stand side by side in a layer with "-" between them: "3-4-5".
        widths: Filters of each size.
        num_layers, embeddings, activations, dropouts, pools: The other choices.

    Raises:
        ValueError: choices that there are not, or a task that needs other networks.
    """

    signatures: ClassVar[tuple[str, ...]] = ("tokens -> vector",)

    length: int
    num_tokens: int
    num_outputs: int
    signature: str
    kernel_sizes: tuple[str, ...] = ("2", "3", "2-3-4", "3-4-5", "2-3-4-5")
    num_layers: tuple[int, ...] = (1, 2)
    widths: tuple[int, ...] = (32, 64, 128)
    embeddings: tuple[int, ...] = (64, 128, 256)
    activations: tuple[str, ...] = ("relu", "tanh")
    dropouts: tuple[float, ...] = (0.0, 0.2, 0.4)
    pools: tuple[str, ...] = POOLS

    def __post_init__(self) -> None:
        for sizes in self.kernel_sizes:
            if not all(size.isdecimal() and int(size) for size in sizes.split("-")):
                raise ValueError(f"kernel_sizes: {sizes!r} has to be numbers of tokens with '-' between them: '3-4-5'")
        check_known(self, activations=ACTIVATIONS, pools=POOLS, signature=self.signatures)
        check_least(self, num_layers=1, widths=1, embeddings=1)
        check_dropouts(self.dropouts)
        self.check_genes()

    @property
    def choices(self) -> Mapping[str, Sequence[Any]]:
        return {
            "kernel_sizes": self.kernel_sizes,
            "num_layers": self.num_layers,
            "width": self.widths,
            "embedding": self.embeddings,
            "activation": self.activations,
            "dropout": self.dropouts,
            "pool": self.pools,
        }

    def blueprint(self, genome: Genome) -> Blueprint:
        genes = self.genes_of(genome)
        sizes = tuple(int(size) for size in genes.pop("kernel_sizes").split("-"))
        settings = TextCnnSettings(sizes, **genes)
        return Blueprint(
            settings,
            text_cnn_cost(settings, self.length, self.num_tokens, self.num_outputs),
            partial(TextCnnNetwork, settings, self.num_tokens, self.num_outputs),
        )


make = TextCnn
