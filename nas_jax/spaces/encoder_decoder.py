"""Networks that give a map for an image: an encoder whose maps get smaller, and a decoder back to the image's size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from nas_jax.spaces.encoder_decoder_network import (
    SKIPS,
    UPSAMPLINGS,
    EncoderDecoderNetwork,
    EncoderDecoderSettings,
    encoder_decoder_cost,
)
from nas_jax.spaces.image_blocks import BLOCKS
from nas_jax.spaces.products import Blueprint, ProductSpace, check_known, check_least, check_odd
from nas_jax.trial import Genome


@dataclass(frozen=True)
class EncoderDecoder(ProductSpace):
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
        check_known(self, blocks=BLOCKS, skips=SKIPS, upsamplings=UPSAMPLINGS)
        check_least(self, num_levels=2, widths=1, growths=1, kernel_sizes=1, num_blocks=1)
        check_odd("kernel_sizes", self.kernel_sizes)
        self.check_genes()

    @property
    def choices(self) -> Mapping[str, Sequence[Any]]:
        return {
            "num_levels": self.num_levels,
            "width": self.widths,
            "growth": self.growths,
            "block": self.blocks,
            "kernel_size": self.kernel_sizes,
            "num_blocks": self.num_blocks,
            "skip": self.skips,
            "upsampling": self.upsamplings,
        }

    def blueprint(self, genome: Genome) -> Blueprint:
        settings = EncoderDecoderSettings(**self.genes_of(genome))
        return Blueprint(
            settings,
            encoder_decoder_cost(settings, self.image_shape, self.num_outputs),
            partial(EncoderDecoderNetwork, settings, self.num_outputs),
        )


make = EncoderDecoder
