"""What the layers of a chain are: their names, the Flax network and its cost."""

from collections.abc import Iterator
from functools import lru_cache
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

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w c"], train: bool = False) -> Float[jax.Array, "b num_outputs"]:
        x = x.astype(self.dtype)
        for layer in self.genome:
            if layer in layers.POOLS:
                x = layers.POOLS[layer](x)
            elif not is_fc(layer):
                size, filters = conv(layer)
                x = layers.ConvBlock(filters, size, self.dtype)(x, train)
        x = layers.avg_pool_to(x, FINAL_SIZE)
        x = x.reshape(x.shape[0], -1)
        for layer in filter(is_fc, self.genome):
            x = nn.relu(nn.Dense(units(layer), dtype=self.dtype)(x))
        return nn.Dense(self.num_outputs, dtype=jnp.float32)(x)


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
