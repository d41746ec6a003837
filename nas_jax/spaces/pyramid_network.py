"""The Flax network of the space `pyramid`, and its cost."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from nas_jax.layers import Conv, ConvBlock, DenseOfPlaces, Norm, max_pool
from nas_jax.spaces.base import Cost
from nas_jax.spaces.encoder_decoder_network import doubled
from nas_jax.spaces.image_blocks import Block, Weights, conv_weights, weights_of

FUSIONS = ("none", "add", "concatenate")
HEADS = ("shared", "separate")
_PRIOR = 0.01  # the probability of a class at a place before training (Lin et al., "Focal Loss", 2017, section 3.3)
_NUM_EDGES = 4


class PyramidSettings(NamedTuple):
    """What a genome says of a network."""

    width: int
    growth: int
    block: str
    kernel_size: int
    num_blocks: int
    stride: int  # of the finest map
    num_maps: int
    fusion: str
    map_width: int
    head: str
    head_depth: int

    @property
    def num_stages(self) -> int:
        """The first one has half the height and width of the image, the last one those of the coarsest map."""
        return int(np.log2(self.stride)) + self.num_maps - 1

    @property
    def first_map(self) -> int:
        """The stage whose height and width the finest map has."""
        return self.num_stages - self.num_maps

    def width_at(self, stage: int) -> int:
        return self.width * self.growth**stage


class PyramidNetwork(nn.Module):
    """Stages of blocks that halve the map, a feature pyramid of the last ones, and a head for each place of each map.

    Each place of 2 x 2 pixels is one of the first stage. As `fusion` says, a coarser map is enlarged and joins the next
    finer one (Lin et al., "Feature Pyramid Networks", 2017). A head that the maps share normalises each of them by its
    own moments. The last biases begin so that no class is likely anywhere. Images whose sides cannot be halved so often
    are enlarged a little first, so that each map covers the image.
    """

    settings: PyramidSettings
    num_outputs: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], train: bool = False) -> tuple[Float[Array, "b _ _ k"], ...]:
        chosen = self.settings
        x = self._halved(x.astype(self.dtype))
        maps = []
        for stage in range(chosen.num_stages):
            x = max_pool(x) if stage else x
            for number in range(chosen.num_blocks):
                name, width = f"stage{stage}_{number}", chosen.width_at(stage)
                x = Block(chosen.block, width, chosen.kernel_size, self.dtype, name=name)(x, train)
            if stage >= chosen.first_map:
                maps.append(ConvBlock(chosen.map_width, 1, self.dtype, name=f"lateral{stage}")(x, train))
        if chosen.fusion != "none":
            maps = self._fused(maps, train)
        return self._heads(maps, train)

    def _fused(self, maps: list[jax.Array], train: bool) -> list[jax.Array]:
        """From the coarsest to the finest."""
        chosen, fused = self.settings, [maps[-1]]
        for level in reversed(range(chosen.num_maps - 1)):
            above = doubled(fused[0], "nearest")
            joined = maps[level] + above if chosen.fusion == "add" else jnp.concatenate([maps[level], above], axis=-1)
            fused.insert(0, ConvBlock(chosen.map_width, 3, self.dtype, name=f"fused{level}")(joined, train))
        return fused

    def _heads(self, maps: list[jax.Array], train: bool) -> tuple[jax.Array, ...]:
        chosen, is_shared = self.settings, self.settings.head == "shared"
        depths, num = range(chosen.head_depth), 1 if is_shared else chosen.num_maps
        kernels = [Conv(chosen.map_width, 3, dtype=self.dtype, name=f"head_{depth}") for depth in depths if is_shared]
        last = [DenseOfPlaces(self.num_outputs, bias_init=unlikely, name=f"outputs{n}") for n in range(num)]
        outputs = []
        for level, each in enumerate(maps):
            x = each
            for depth in depths:
                if is_shared:  # but for the moments, in which maps of different levels differ
                    x = nn.relu(Norm(self.dtype, name=f"norm{level}_{depth}")(kernels[depth](x), train))
                else:
                    x = ConvBlock(chosen.map_width, 3, self.dtype, name=f"head{level}_{depth}")(x, train)
            outputs.append(last[level % num](x.astype(jnp.float32)))
        return tuple(outputs)

    def _halved(self, x: jax.Array) -> jax.Array:
        """Each 2 x 2 pixels become a place with the channels of all four."""
        batch, *sides, channels = x.shape
        height, width = whole_sides(sides[0], sides[1], self.settings)
        if (height, width) != tuple(sides):
            x = jax.image.resize(x, (batch, height, width, channels), "bilinear")
        x = x.reshape(batch, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(batch, height // 2, width // 2, 4 * channels)


def unlikely(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    """Biases: of classes so that each has a small probability, of edges zero."""
    return jnp.where(jnp.arange(shape[0]) < shape[0] - _NUM_EDGES, -np.log(1 / _PRIOR - 1), 0.0).astype(dtype)


def whole_sides(height: int, width: int, chosen: PyramidSettings) -> tuple[int, int]:
    """The smallest height and width, from these on, that can be halved for every stage."""
    unit = 2**chosen.num_stages
    return -(-height // unit) * unit, -(-width // unit) * unit


def pyramid_cost(chosen: PyramidSettings, image_shape: tuple[int, ...], num_outputs: int) -> Cost:
    """Of an image."""
    height, width = whole_sides(image_shape[0], image_shape[1], chosen)
    num_params = flops = 0

    def add(weights: Weights, stage: int, is_new: bool = True) -> None:
        nonlocal num_params, flops
        num_params += weights.num_params if is_new else 0
        flops += 2 * weights.num_weights * (height >> (stage + 1)) * (width >> (stage + 1))

    channels = 4 * image_shape[2]
    for stage in range(chosen.num_stages):
        for _ in range(chosen.num_blocks):
            add(weights_of(chosen.block, chosen.kernel_size, channels, chosen.width_at(stage)), stage)
            channels = chosen.width_at(stage)
        if stage >= chosen.first_map:
            add(conv_weights(1, channels, chosen.map_width), stage)
            if chosen.fusion != "none" and stage < chosen.num_stages - 1:
                joined = chosen.map_width * (2 if chosen.fusion == "concatenate" else 1)
                add(conv_weights(3, joined, chosen.map_width), stage)
            is_new = chosen.head == "separate" or stage == chosen.first_map
            for _ in range(chosen.head_depth):
                add(conv_weights(3, chosen.map_width, chosen.map_width), stage, is_new)
                num_params += 0 if is_new else 2 * chosen.map_width  # the scales and shifts of its own
            kernel = chosen.map_width * num_outputs
            add(Weights(kernel + num_outputs, kernel), stage, is_new)
    return Cost(num_params, flops)
