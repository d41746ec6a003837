"""Networks that give a map for an image: an encoder whose maps get smaller, and a decoder back to the image's size."""

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
from nas_jax.spaces.encoder_decoder_network import (
    SKIPS,
    UPSAMPLINGS,
    EncoderDecoderNetwork,
    EncoderDecoderSettings,
    encoder_decoder_cost,
)
from nas_jax.spaces.image_blocks import BLOCKS
from nas_jax.spaces.products import check_known, genes_as, values_of, with_costs
from nas_jax.trial import Genome


@dataclass(frozen=True)
class EncoderDecoder:
    """Every combination of choices is a network of its own.

    Args:
        image_shape: (height, width, channels); it comes from the data set, and `num_outputs` from the task.
        num_levels: Sizes of the maps, each half of the one before; two at least.
        widths: Channels of the first level; those of the others grow by a factor of `growths` from one to the next.
        blocks, kernel_sizes, num_blocks: Of what a level has, on the way down and on the way up.
        skips: How the decoder gets the maps of the encoder.
        upsamplings: How the decoder enlarges a map.

    Raises:
        ValueError: choices that there are not.
    """

    signatures: ClassVar[tuple[str, ...]] = ("image -> map",)

    image_shape: tuple[int, int, int]
    num_outputs: int
    num_levels: tuple[int, ...] = (2, 3, 4)
    widths: tuple[int, ...] = (8, 16, 24)
    growths: tuple[int, ...] = (1, 2)
    blocks: tuple[str, ...] = BLOCKS
    kernel_sizes: tuple[int, ...] = (3, 5)
    num_blocks: tuple[int, ...] = (1, 2)
    skips: tuple[str, ...] = SKIPS
    upsamplings: tuple[str, ...] = UPSAMPLINGS

    def __post_init__(self) -> None:
        for name, known in (("blocks", BLOCKS), ("skips", SKIPS), ("upsamplings", UPSAMPLINGS)):
            check_known(name, getattr(self, name), known)
        for name, least in (("num_levels", 2), ("widths", 1), ("growths", 1), ("kernel_sizes", 1), ("num_blocks", 1)):
            if min(getattr(self, name)) < least:
                raise ValueError(f"{name}: {min(getattr(self, name))} is too small, each has to be at least {least}")
        if any(size % 2 == 0 for size in self.kernel_sizes):
            raise ValueError(f"kernel_sizes: each has to be odd, got {self.kernel_sizes}")
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
        """`num_levels=3, width=16, growth=2, block=conv, kernel_size=3, …`."""
        return _genes(self).describe(genome)

    def cost(self, genome: Genome) -> Cost:
        """Parameters, and FLOPs of an image."""
        return encoder_decoder_cost(self.settings(genome), self.image_shape, self.num_outputs)

    def settings(self, genome: Genome) -> EncoderDecoderSettings:
        return EncoderDecoderSettings(**values_of(_genes(self), genome))

    def network(self, genome: Genome, dtype: jax.typing.DTypeLike = jnp.float32) -> EncoderDecoderNetwork:
        return EncoderDecoderNetwork(self.settings(genome), self.num_outputs, dtype)


@cache
def _genes(space: EncoderDecoder) -> Categorical:
    return genes_as(
        {
            "num_levels": space.num_levels,
            "width": space.widths,
            "growth": space.growths,
            "block": space.blocks,
            "kernel_size": space.kernel_sizes,
            "num_blocks": space.num_blocks,
            "skip": space.skips,
            "upsampling": space.upsamplings,
        }
    )


make = EncoderDecoder
