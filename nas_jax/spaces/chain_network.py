"""What the layers of a chain are: their names, the Flax network and its cost."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.typing
from flax import linen as nn
from jaxtyping import Float

from nas_jax import layers
from nas_jax.spaces.base import Cost
from nas_jax.spaces.structure import Layer
from nas_jax.trial import Genome

FINAL_SIZE = 4  # the map that the fully connected layers see has at most 4x4 places


class Conv(NamedTuple):
    size: int
    filters: int


@lru_cache(maxsize=1000)
def conv(layer: str) -> Conv:
    """`conv3x3-32` -> (3, 32)."""
    size, filters = layer.removeprefix("conv").split("-")
    return Conv(int(size.partition("x")[0]), int(filters))


def units(layer: str) -> int:
    """`fc-256` -> 256."""
    return int(layer.removeprefix("fc-"))


def is_fc(layer: str) -> bool:
    return layer.startswith("fc-")


def num_pools_of(features: Genome) -> int:
    return sum(layer in layers.POOLS for layer in features)


class ChainNetwork(nn.Module):
    """The Flax network of a chain."""

    genome: Genome
    num_outputs: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.nowrap  # outside of a call too
    def stages(self) -> tuple[nn.Module, ...]:
        """The layers, each of them `(x, train) -> x`; they are also compiled one by one (`train/layers.py`)."""
        stages: list[nn.Module] = []
        convs, denses = (count() for _ in range(2))
        for layer in self.genome:
            if layer in layers.POOLS:
                stages.append(layers.Pool(layer))
            elif not is_fc(layer):
                size, filters = conv(layer)
                stages.append(layers.ConvBlock(filters, size, self.dtype, name=f"ConvBlock_{next(convs)}"))
        stages.append(layers.PoolAndFlatten(FINAL_SIZE))
        for layer in filter(is_fc, self.genome):
            stages.append(layers.Dense(units(layer), dtype=self.dtype, name=f"Dense_{next(denses)}"))
        return (*stages, layers.Dense(self.num_outputs, is_activated=False, name=f"Dense_{next(denses)}"))

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w c"], train: bool = False) -> Float[jax.Array, "b num_outputs"]:
        x = x.astype(self.dtype)
        for stage in self.stages():
            x = stage(x, train)
        return x


def chain_cost(genome: Genome, image_shape: tuple[int, int, int], num_outputs: int) -> Cost:
    """Parameters and FLOPs of a `ChainNetwork` for images of (height, width, channels)."""
    height, width, channels = image_shape
    num_params = flops = 0
    for layer in genome:
        if layer in layers.POOLS:
            height, width = height // 2, width // 2
        elif not is_fc(layer):
            size, filters = conv(layer)
            weights = size * size * channels * filters
            num_params += weights + 2 * filters  # batch normalisation scales and shifts
            flops += 2 * weights * height * width
            channels = filters
    inputs = min(height, FINAL_SIZE) * min(width, FINAL_SIZE) * channels
    for outputs in [*map(units, filter(is_fc, genome)), num_outputs]:
        num_params += (inputs + 1) * outputs
        flops += 2 * inputs * outputs
        inputs = outputs
    return Cost(num_params, flops)


def chain_layers(genome: Genome, image_shape: tuple[int, int, int], num_outputs: int) -> Iterator[Layer]:
    """The layers of a `ChainNetwork` for images of (height, width, channels), and the shapes of their outputs."""
    height, width, channels = image_shape
    yield Layer("image", "end", image_shape)
    for layer in genome:
        if layer in layers.POOLS:
            height, width = height // 2, width // 2
            yield Layer(f"{layer} 2x2", "pool", (height, width, channels))
        elif not is_fc(layer):
            size, channels = conv(layer)
            yield Layer(f"conv {size}x{size}", "conv", (height, width, channels))
    if max(height, width) > FINAL_SIZE:
        yield Layer("average", "pool", (min(height, FINAL_SIZE), min(width, FINAL_SIZE), channels))
    for layer in filter(is_fc, genome):
        yield Layer("dense", "dense", (units(layer),))
    yield Layer("output", "end", (num_outputs,))
