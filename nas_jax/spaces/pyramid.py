"""Networks that give maps of an image, fine to coarse: a backbone, a feature pyramid, and a head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from nas_jax.spaces.image_blocks import BLOCKS
from nas_jax.spaces.products import Blueprint, ProductSpace, check_known, check_least, check_odd
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
        check_known(self, blocks=BLOCKS, fusions=FUSIONS, heads=HEADS)
        check_least(self, widths=1, growths=1, kernel_sizes=1, num_blocks=1, strides=2, num_maps=2)
        check_least(self, map_widths=1, head_depths=0)
        check_odd("kernel_sizes", self.kernel_sizes)
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

    def blueprint(self, genome: Genome) -> Blueprint:
        settings = PyramidSettings(**self.genes_of(genome))
        return Blueprint(
            settings,
            pyramid_cost(settings, self.image_shape, self.num_outputs),
            partial(PyramidNetwork, settings, self.num_outputs),
        )


make = Pyramid
