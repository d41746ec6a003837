"""Networks that give maps of an image, fine to coarse: a backbone, a feature pyramid, and a head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import jax.typing

from nas_jax.spaces.base import Cost
from nas_jax.spaces.image_blocks import BLOCKS
from nas_jax.spaces.products import ProductSpace, check_known
from nas_jax.spaces.pyramid_network import FUSIONS, HEADS, PyramidNetwork, PyramidSettings, pyramid_cost
from nas_jax.trial import Genome


@dataclass(frozen=True)
class Pyramid(ProductSpace):
    """Every combination of choices is a network of its own.

    Args:
        image_shape: (height, width, channels); it comes from the data set, and `num_outputs` from the task.
        widths: Channels of the first stage; those of the others grow by a factor of `growths` from one to the next.
        blocks, kernel_sizes, num_blocks: Of what a stage has.
        strides: Pixels between places of the finest map, a power of two; of the others twice that, and so on.
        num_maps: Two at least.
        fusions: How a coarser map joins the next finer one.
        map_widths: Channels of the maps.
        heads, head_depths: One head for all maps or one for each, and its hidden layers.

    Raises:
        ValueError: choices that there are not.
    """

    signatures: ClassVar[tuple[str, ...]] = ("image -> pyramid",)

    image_shape: tuple[int, int, int]
    num_outputs: int
    widths: tuple[int, ...] = (8, 16, 24)
    growths: tuple[int, ...] = (1, 2)
    blocks: tuple[str, ...] = BLOCKS
    kernel_sizes: tuple[int, ...] = (3, 5)
    num_blocks: tuple[int, ...] = (1, 2)
    strides: tuple[int, ...] = (4, 8)
    num_maps: tuple[int, ...] = (2, 3)
    fusions: tuple[str, ...] = FUSIONS
    map_widths: tuple[int, ...] = (16, 32)
    heads: tuple[str, ...] = HEADS
    head_depths: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self) -> None:
        for name, known in (("blocks", BLOCKS), ("fusions", FUSIONS), ("heads", HEADS)):
            check_known(name, getattr(self, name), known)
        numbers = {"widths": 1, "growths": 1, "kernel_sizes": 1, "num_blocks": 1, "strides": 2, "num_maps": 2}
        for name, least in {**numbers, "map_widths": 1, "head_depths": 0}.items():
            if min(getattr(self, name)) < least:
                raise ValueError(f"{name}: {min(getattr(self, name))} is too small, each has to be at least {least}")
        if any(size % 2 == 0 for size in self.kernel_sizes):
            raise ValueError(f"kernel_sizes: each has to be odd, got {self.kernel_sizes}")
        if any(stride & (stride - 1) for stride in self.strides):
            raise ValueError(f"strides: each has to be a power of two, got {self.strides}")
        self.check_genes()

    @property
    def choices(self) -> Mapping[str, Sequence[Any]]:
        return {
            "width": self.widths,
            "growth": self.growths,
            "block": self.blocks,
            "kernel_size": self.kernel_sizes,
            "num_blocks": self.num_blocks,
            "stride": self.strides,
            "num_maps": self.num_maps,
            "fusion": self.fusions,
            "map_width": self.map_widths,
            "head": self.heads,
            "head_depth": self.head_depths,
        }

    def cost(self, genome: Genome) -> Cost:
        """Parameters, and FLOPs of an image."""
        return pyramid_cost(self.settings(genome), self.image_shape, self.num_outputs)

    def settings(self, genome: Genome) -> PyramidSettings:
        return PyramidSettings(**self.genes_of(genome))

    def network(self, genome: Genome, dtype: jax.typing.DTypeLike = jnp.float32) -> PyramidNetwork:
        return PyramidNetwork(self.settings(genome), self.num_outputs, dtype)


make = Pyramid
