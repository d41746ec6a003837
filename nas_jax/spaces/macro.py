"""The networks of NAS-Bench-Macro: chains of inverted bottlenecks in three stages.

Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021. A genome is eight blocks, each
"identity", "MB3_K3" or "MB6_K5" (an inverted bottleneck of expansion 3 with a 3x3 filter, or 6 with 5x5). The first
block of a stage halves the side and doubles the channels; an identity there is a 1x1 convolution with stride 2.

An identity elsewhere does nothing, so within a stage its place makes no difference. In a canonical genome identities
come last in their stage, the first block apart; 3,969 of the 6,561 chains are canonical. The benchmark trained these
and lists each result for every chain that is the same network.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import ClassVar

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from nas_jax.layers import ConvBlock, Dense, DenseOfPlaces, ReluMean, depthwise_conv2d, he_kernel
from nas_jax.spaces.base import Cost, one_hot
from nas_jax.spaces.sequences import Sequences
from nas_jax.spaces.structure import Kind, Layer
from nas_jax.trial import Genome

BLOCKS = ("identity", "MB3_K3", "MB6_K5")  # in the order of the benchmark's digits
STAGES = (slice(0, 2), slice(2, 5), slice(5, 8))
NUM_BLOCKS = 8
BLOCK_NAMES = tuple(f"block {number}" for number in range(1, NUM_BLOCKS + 1))
HEAD_FILTERS = 1280
_NAMES: dict[str, tuple[str, Kind]] = {  # in pictures, where the map keeps its size
    "identity": ("identity", "skip"),
    "MB3_K3": ("MBConv 3x3, x3", "conv"),
    "MB6_K5": ("MBConv 5x5, x6", "conv"),
}
BOTTLENECKS = {"MB3_K3": (3, 3), "MB6_K5": (6, 5)}  # expansion and side of the filter


@cache
def canonical(chain: Genome) -> Genome:
    """The canonical genome of the same network as `chain`, any of the 6,561."""
    blocks: Genome = ()
    for stage in STAGES:
        first, *rest = chain[stage]
        blocks = (*blocks, first, *sorted(rest, key=lambda block: block == "identity"))
    return blocks


def digits(genome: Genome) -> str:
    """The benchmark's own name of a chain: `22212220`."""
    return "".join(str(BLOCKS.index(block)) for block in genome)


def parse(string: str) -> Genome:
    """The chain of the benchmark's digits, block by block: not made canonical.

    Raises:
        ValueError: the string is not eight digits from 0 to 2.
    """
    if len(string) != NUM_BLOCKS or set(string) - set("012"):
        choices = ", ".join(f"{number} ({block})" for number, block in enumerate(BLOCKS))
        raise ValueError(f"{string!r} is no chain: it should be {NUM_BLOCKS} digits out of {choices}")
    return tuple(BLOCKS[int(digit)] for digit in string)


CHAINS = Sequences(BLOCKS, NUM_BLOCKS, canonical)


class PointwiseNorm(nn.Module):
    """1x1 convolution, batch normalisation."""

    filters: int
    dtype: jax.typing.DTypeLike = jnp.float32
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w _"], train: bool) -> Float[jax.Array, "b h2 w2 f"]:
        x = x[:, :: self.stride, :: self.stride]
        x = DenseOfPlaces(self.filters, False, self.dtype, kernel_init=he_kernel, name="Dense_0")(x)
        return nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=self.dtype)(x)


class InvertedBottleneck(nn.Module):
    """Expands, filters each channel and projects (Sandler et al., "MobileNetV2", CVPR 2018), here with ReLU.

    The input is added to the output where both have the same shape.
    """

    filters: int
    expansion: int
    side: int
    stride: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w _"], train: bool) -> Float[jax.Array, "b h2 w2 f"]:
        hidden = self.expansion * x.shape[-1]
        y = nn.relu(PointwiseNorm(hidden, self.dtype)(x, train))
        kernel = self.param("kernel", he_kernel, (self.side, self.side, 1, hidden))
        y = depthwise_conv2d(y, kernel.astype(self.dtype), self.stride)
        y = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=self.dtype)(y))
        y = PointwiseNorm(self.filters, self.dtype)(y, train)
        return x + y if x.shape == y.shape else y


class MacroNetwork(nn.Module):
    """Stem, three stages, head."""

    genome: Genome
    num_outputs: int
    filters: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.nowrap  # outside of a call too
    def stages(self) -> tuple[nn.Module, ...]:
        """Stem, blocks, head, each of them `(x, train) -> x`."""
        stages: list[nn.Module] = [ConvBlock(self.filters, 3, self.dtype, name="ConvBlock_0")]
        bottlenecks, pointwise = (count() for _ in range(2))
        for block, inputs, filters in _channels(self.genome, self.filters):
            stride = filters // inputs
            if block in BOTTLENECKS:
                name = f"InvertedBottleneck_{next(bottlenecks)}"
                stages.append(InvertedBottleneck(filters, *BOTTLENECKS[block], stride, self.dtype, name=name))
            elif stride > 1:
                stages.append(PointwiseNorm(filters, self.dtype, stride, name=f"PointwiseNorm_{next(pointwise)}"))
        head = PointwiseNorm(HEAD_FILTERS, self.dtype, name=f"PointwiseNorm_{next(pointwise)}")
        return (*stages, head, ReluMean(), Dense(self.num_outputs, is_activated=False, name="Dense_0"))

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w c"], train: bool = False) -> Float[jax.Array, "b num_outputs"]:
        for stage in self.stages():
            x = stage(x, train)
        return x


def _channels(genome: Genome, filters: int) -> Iterator[tuple[str, int, int]]:
    """Each block with its input and output channels; where they differ, the block has stride 2."""
    for stage in STAGES:
        first, *rest = genome[stage]
        yield first, filters, 2 * filters
        filters *= 2
        yield from ((block, filters, filters) for block in rest)


@dataclass(frozen=True)
class NasBenchMacro:
    """The canonical chains, as features and as networks.

    Args:
        image_shape: (height, width, channels); it comes from the data set, and `num_outputs` from the task.
        free_features: Also encode log10 of parameters and FLOPs, known without training.
        filters: Channels of the stem, doubled by each stage; 32 in the benchmark.

    Raises:
        ValueError: no filters.
    """

    signatures: ClassVar[tuple[str, ...]] = ("image -> vector",)

    image_shape: tuple[int, int, int]
    num_outputs: int
    free_features: bool = False
    filters: int = 32

    def __post_init__(self) -> None:
        if self.filters < 1:
            raise ValueError(f"filters has to be at least 1, got {self.filters}")

    @property
    def num_genomes(self) -> int:
        return CHAINS.num_genomes

    def genomes(self) -> Iterator[Genome]:
        """All 3,969 genomes."""
        return CHAINS.genomes()

    def sample(self, rng: np.random.Generator, num: int, exclude: Collection[Genome] = frozenset()) -> list[Genome]:
        """Uniform over genomes."""
        return CHAINS.sample(rng, num, exclude)

    def neighbors(self, genome: Genome) -> list[Genome]:
        """What changing one block can lead to, in `genome` or in any chain of the same network.

        So a block can be inserted into a stage at any place, and neighbours are neighbours both ways.
        """
        return CHAINS.neighbors(genome)

    def mutate(self, rng: np.random.Generator, genome: Genome) -> Genome:
        """Changes a random block of a random chain of the same network."""
        return CHAINS.mutate(rng, genome)

    def crossover(self, rng: np.random.Generator, first: Genome, second: Genome) -> Genome:
        """Each block from either parent, by the toss of a coin; then identities move to the end of their stage."""
        return CHAINS.crossover(rng, first, second)

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]:
        """Of the genomes' canonical forms: one-hot blocks and how often each occurs, 27 features; `free_features`."""
        return np.array([self._features(canonical(genome)) for genome in genomes], np.float32)

    def _features(self, genome: Genome) -> list[float]:
        blocks = [number for block in genome for number in one_hot(block, BLOCKS)]
        counts = [float(genome.count(block)) for block in BLOCKS]
        return [*blocks, *counts, *(np.log10(self.cost(genome)) if self.free_features else ())]

    @property
    def gene_choices(self) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(BLOCK_NAMES, BLOCKS)

    @property
    def feature_genes(self) -> tuple[str, ...]:
        """Blocks, and what is no gene's: how often blocks occur, costs."""
        names = [name for name in BLOCK_NAMES for _ in BLOCKS]
        return (*names, *("counts",) * len(BLOCKS), *(Cost._fields if self.free_features else ()))

    def genes_of(self, genome: Genome) -> dict[str, str]:
        return dict(zip(BLOCK_NAMES, genome, strict=True))

    def express(self, choices: Sequence[str]) -> Genome:
        """The canonical genome of any of the 6,561 chains."""
        return canonical(tuple(choices))

    def describe(self, genome: Genome) -> str:
        """Blocks by stage: `MB6_K5, MB3_K3 | MB3_K3, identity, identity | …`."""
        return " | ".join(", ".join(genome[stage]) for stage in STAGES)

    def layers(self, genome: Genome) -> tuple[Layer, ...]:
        """Stem, blocks by stage, head."""
        height, width, _ = self.image_shape
        found = [
            Layer("image", "end", self.image_shape),
            Layer("conv 3x3", "conv", (height, width, self.filters)),
        ]
        stages = (f"stage {number}" for number, stage in enumerate(STAGES, start=1) for _ in genome[stage])
        for stage, (block, inputs, filters) in zip(stages, _channels(genome, self.filters), strict=True):
            stride = filters // inputs
            height, width = -(-height // stride), -(-width // stride)
            name, kind = _NAMES[block] if block in BOTTLENECKS or stride == 1 else ("conv 1x1", "conv")
            found.append(Layer(name, kind, (height, width, filters), stage))
        found.append(Layer("conv 1x1", "conv", (height, width, HEAD_FILTERS)))
        return (*found, Layer("average", "pool", (HEAD_FILTERS,)), Layer("output", "end", (self.num_outputs,)))

    def benchmark_name(self, genome: Genome) -> str:
        """The genome's name in the benchmark's table."""
        return digits(genome)

    def cost(self, genome: Genome) -> Cost:
        """Parameters and FLOPs; FLOPs are twice the benchmark's, which counts multiply-adds."""
        height, width, channels = self.image_shape
        num_params = flops = 0

        def add_conv(weights: int, filters: int) -> None:
            nonlocal num_params, flops
            num_params += weights + 2 * filters  # batch normalisation scales and shifts
            flops += 2 * weights * height * width

        add_conv(9 * channels * self.filters, self.filters)
        for block, inputs, filters in _channels(genome, self.filters):
            stride = filters // inputs
            expansion, side = BOTTLENECKS.get(block, (0, 0))
            hidden = expansion * inputs
            add_conv(inputs * hidden, hidden)
            height, width = -(-height // stride), -(-width // stride)
            if block in BOTTLENECKS:
                add_conv(side * side * hidden, hidden)
                add_conv(hidden * filters, filters)
            elif stride > 1:
                add_conv(inputs * filters, filters)
        add_conv(filters * HEAD_FILTERS, HEAD_FILTERS)
        num_params += (HEAD_FILTERS + 1) * self.num_outputs
        return Cost(num_params, flops + 2 * HEAD_FILTERS * self.num_outputs)

    def network(self, genome: Genome, dtype: jax.typing.DTypeLike = jnp.float32) -> MacroNetwork:
        return MacroNetwork(genome, self.num_outputs, self.filters, dtype)


make = NasBenchMacro
