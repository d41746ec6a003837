"""The Flax network of the space `encoder_decoder`, and its cost."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.typing
from flax import linen as nn
from jaxtyping import Array, Float

from nas_jax.layers import ConvBlock, DenseOfPlaces, max_pool
from nas_jax.spaces.base import Cost
from nas_jax.spaces.image_blocks import Block, Weights, conv_weights, weights_of

SKIPS = ("none", "add", "concatenate")
UPSAMPLINGS = ("nearest", "bilinear")


class EncoderDecoderSettings(NamedTuple):
    """What a genome says of a network."""

    num_levels: int
    width: int
    growth: int
    block: str
    kernel_size: int
    num_blocks: int
    skip: str
    upsampling: str

    def width_at(self, level: int) -> int:
        return self.width * self.growth**level


class EncoderDecoderNetwork(nn.Module):
    """Blocks on maps that halve from level to level, and blocks on the way back (Ronneberger et al., "U-Net", 2015).

    On the way back a 1x1 convolution brings a map to the width of the level above, it is doubled in height and width,
    and the map that was there before joins it as `skip` says. Images whose sides cannot be halved so often are
    continued at their lower and right edges, and the outputs cut.
    """

    settings: EncoderDecoderSettings
    num_outputs: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], train: bool = False) -> Float[Array, "b h w k"]:
        chosen = self.settings
        height, width = x.shape[1:3]
        x = self._continued(x.astype(self.dtype))
        maps = []
        for level in range(chosen.num_levels):
            x = self._blocks(max_pool(x) if level else x, level, f"down{level}", train)
            maps.append(x)
        for level in reversed(range(chosen.num_levels - 1)):
            x = ConvBlock(chosen.width_at(level), 1, self.dtype, name=f"narrow{level}")(x, train)
            x = doubled(x, chosen.upsampling)
            if chosen.skip == "add":
                x = x + maps[level]
            elif chosen.skip == "concatenate":
                x = jnp.concatenate([x, maps[level]], axis=-1)
            x = self._blocks(x, level, f"up{level}", train)
        x = DenseOfPlaces(self.num_outputs, name="outputs")(x.astype(jnp.float32))
        return x[:, :height, :width]

    def _blocks(self, x: jax.Array, level: int, name: str, train: bool) -> jax.Array:
        chosen = self.settings
        for number in range(chosen.num_blocks):
            block = Block(chosen.block, chosen.width_at(level), chosen.kernel_size, self.dtype, name=f"{name}_{number}")
            x = block(x, train)
        return x

    def _continued(self, x: jax.Array) -> jax.Array:
        _, height, width, _ = x.shape
        wholes = whole_sides(height, width, self.settings.num_levels)
        if wholes == (height, width):
            return x
        return jnp.pad(x, ((0, 0), (0, wholes[0] - height), (0, wholes[1] - width), (0, 0)), mode="edge")


def whole_sides(height: int, width: int, num_levels: int) -> tuple[int, int]:
    """The smallest height and width, from these on, that can be halved from level to level."""
    unit = 2 ** (num_levels - 1)
    return -(-height // unit) * unit, -(-width // unit) * unit


def doubled(x: Float[Array, "b h w c"], how: str) -> Float[Array, "b h2 w2 c"]:
    """A map of twice the height and width: each place four times, or with what lies between two places."""
    batch, height, width, channels = x.shape
    if how == "bilinear":
        return jax.image.resize(x, (batch, 2 * height, 2 * width, channels), "bilinear")
    return x.repeat(2, axis=1).repeat(2, axis=2)


def encoder_decoder_cost(chosen: EncoderDecoderSettings, image_shape: tuple[int, ...], num_outputs: int) -> Cost:
    """Of an image; what is computed beyond its edges counts too."""
    height, width = whole_sides(image_shape[0], image_shape[1], chosen.num_levels)
    num_params = flops = 0

    def add(weights: Weights, level: int) -> None:
        nonlocal num_params, flops
        num_params += weights.num_params
        flops += 2 * weights.num_weights * (height >> level) * (width >> level)

    def add_blocks(channels: int, level: int) -> int:
        filters = chosen.width_at(level)
        for _ in range(chosen.num_blocks):
            add(weights_of(chosen.block, chosen.kernel_size, channels, filters), level)
            channels = filters
        return channels

    channels = image_shape[2]
    for level in range(chosen.num_levels):
        channels = add_blocks(channels, level)
    for level in reversed(range(chosen.num_levels - 1)):
        filters = chosen.width_at(level)
        add(conv_weights(1, channels, filters), level + 1)
        channels = add_blocks(2 * filters if chosen.skip == "concatenate" else filters, level)
    num_params += (channels + 1) * num_outputs
    return Cost(num_params, flops + 2 * channels * num_outputs * height * width)
