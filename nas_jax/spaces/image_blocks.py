"""Blocks of networks that keep the height and width of a map, and what they cost; more than one space has them."""

from typing import NamedTuple

import jax.numpy as jnp
import jax.typing
from flax import linen as nn
from jaxtyping import Array, Float

from nas_jax.layers import ConvBlock, Norm, conv2d, depthwise_conv2d, he_kernel

BLOCKS = ("conv", "residual", "separable")


class Weights(NamedTuple):
    """What of a block is learned.

    `num_params` counts the scales and shifts of batch normalisation, `num_weights` the kernels alone, each of which
    takes part in a multiply-add at every place of the map.
    """

    num_params: int = 0
    num_weights: int = 0

    def __add__(self, other: "Weights") -> "Weights":  # type: ignore[override]
        return Weights(self.num_params + other.num_params, self.num_weights + other.num_weights)


class Block(nn.Module):
    """A block of one of the kinds in `BLOCKS`, with batch normalisation and ReLU.

    "conv" is one convolution. "residual" is two, with a shortcut that is a 1x1 convolution where the number of channels
    changes (He et al. 2016, figure 2). "separable" is a convolution of each channel alone and a 1x1 convolution, each
    with batch normalisation and ReLU behind it (Howard et al. 2017, figure 3).
    """

    kind: str
    filters: int
    kernel_size: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w _"], train: bool) -> Float[Array, "b h w f"]:
        size, channels = self.kernel_size, x.shape[-1]
        if self.kind == "conv":
            return ConvBlock(self.filters, size, self.dtype)(x, train)
        if self.kind == "separable":
            kernel = self.param("kernel", he_kernel, (size, size, 1, channels))
            x = depthwise_conv2d(x.astype(self.dtype), kernel.astype(self.dtype), 1)
            x = nn.relu(Norm(self.dtype)(x, train))
            return ConvBlock(self.filters, 1, self.dtype)(x, train)
        y = ConvBlock(self.filters, size, self.dtype)(x, train)
        kernel = self.param("kernel", he_kernel, (size, size, self.filters, self.filters))
        y = Norm(self.dtype)(conv2d(y, kernel.astype(self.dtype)), train)
        if channels != self.filters:
            kernel = self.param("shortcut", he_kernel, (1, 1, channels, self.filters))
            x = Norm(self.dtype)(conv2d(x.astype(self.dtype), kernel.astype(self.dtype)), train)
        return nn.relu(x.astype(self.dtype) + y)


def weights_of(kind: str, kernel_size: int, channels: int, filters: int) -> Weights:
    """Of a block."""
    if kind == "conv":
        return conv_weights(kernel_size, channels, filters)
    if kind == "separable":
        return Weights((kernel_size**2 + 2) * channels, kernel_size**2 * channels) + conv_weights(1, channels, filters)
    both = conv_weights(kernel_size, channels, filters) + conv_weights(kernel_size, filters, filters)
    return both + conv_weights(1, channels, filters) if channels != filters else both


def conv_weights(kernel_size: int, channels: int, filters: int) -> Weights:
    """Of a convolution with batch normalisation."""
    kernel = kernel_size**2 * channels * filters
    return Weights(kernel + 2 * filters, kernel)
