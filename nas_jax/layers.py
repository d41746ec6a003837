"""Flax blocks and pooling functions that more than one space uses.

Some operations are slow with XLA on a CPU in their usual form, and have another one, equal up to rounding
(`experiments/cpu_layers` has the measurements): `nn.max_pool`, whose gradient is a select-and-scatter, is arithmetic on
slices here on every device (ties share the gradient), dense layers over places are products of two matrices;
convolutions are in other forms on a CPU alone (`cpu/`).
"""

import math
from collections.abc import Callable
from functools import partial, reduce

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from nas_jax.cpu.conv import conv_on_cpu, xla_conv
from nas_jax.cpu.depthwise_conv import depthwise_on_cpu


def conv2d(
    x: Float[jax.Array, "b h w c"], kernel: Float[jax.Array, "k k c f"], stride: int = 1
) -> Float[jax.Array, "b h2 w2 f"]:
    """Convolution; padding is half the kernel's side, which is odd. With a stride of 1 a map keeps its sides."""
    return conv_on_cpu(x, kernel, stride) if jax.default_backend() == "cpu" else xla_conv(x, kernel, stride)


def depthwise_conv2d(
    x: Float[jax.Array, "b h w c"], kernel: Float[jax.Array, "k k 1 c"], stride: int
) -> Float[jax.Array, "b h2 w2 c"]:
    """Convolves each channel with its own filter; padding is half the filter's side, which is odd."""
    if jax.default_backend() == "cpu":
        return depthwise_on_cpu(x, kernel, stride)
    pad = kernel.shape[0] // 2
    padding, layout = ((pad, pad), (pad, pad)), ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=layout, feature_group_count=x.shape[-1]
    )


@partial(jax.jit, static_argnums=(1, 2))
def he_kernel(key: jax.Array, shape: tuple[int, ...], dtype: jax.typing.DTypeLike = jnp.float32) -> jax.Array:
    """An initialiser: normal with variance 2 / fan-in (He et al. 2015, eq. 10), all but the last axis being the fan-in.

    `train/variables.py` draws all such kernels of a network from one stream of random numbers.
    """
    return jax.random.normal(key, shape, dtype) * np.sqrt(2 / int(np.prod(shape[:-1]))).astype(dtype)


def dense_product(
    x: jax.Array,
    kernel: jax.Array,
    dimension_numbers: jax.lax.DotDimensionNumbers,
    precision: jax.lax.PrecisionLike = None,
) -> jax.Array:
    """The product of a dense layer, in which the last axes of `x` meet the first of the kernel, as one of two matrices.

    For `dot_general=` of Flax's layers where `x` has axes of places: XLA on a CPU is slower over more than two axes.
    """
    num = len(dimension_numbers[0][0])
    inputs = math.prod(kernel.shape[:num])
    matrices = x.reshape(-1, inputs), kernel.reshape(inputs, -1)
    product = jax.lax.dot(*matrices, precision=precision)
    return product.reshape(*x.shape[: x.ndim - num], *kernel.shape[num:])


class DenseOfPlaces(nn.Module):
    """Fully connected layer at each place of a map or text, the same at all, with the variables of `nn.Dense`."""

    units: int
    use_bias: bool = True
    dtype: jax.typing.DTypeLike = jnp.float32
    kernel_init: Callable[..., jax.Array] = nn.initializers.lecun_normal()
    bias_init: Callable[..., jax.Array] = nn.initializers.zeros

    def setup(self) -> None:
        self.dense = nn.Dense(
            self.units,
            self.use_bias,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            bias_init=self.bias_init,
            dot_general=dense_product,
        )
        nn.share_scope(self, self.dense)  # its variables are this layer's own

    def __call__(self, x: Float[jax.Array, "*places _"]) -> Float[jax.Array, "*places units"]:
        return self.dense(x)


class Conv(nn.Module):
    """Convolution without a bias; see `conv2d`. The same in training."""

    filters: int
    kernel_size: int
    stride: int = 1
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w _"], train: bool = False) -> Float[jax.Array, "b h2 w2 f"]:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.filters)
        kernel = self.param("kernel", he_kernel, shape)
        return conv2d(x.astype(self.dtype), kernel.astype(self.dtype), self.stride)


class ConvBlock(nn.Module):
    """Convolution with 'same' padding, batch normalisation, ReLU."""

    filters: int
    kernel_size: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w _"], train: bool) -> Float[jax.Array, "b h w f"]:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.filters)
        kernel = self.param("kernel", he_kernel, shape)
        x = conv2d(x.astype(self.dtype), kernel.astype(self.dtype))
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=self.dtype)(x)
        return nn.relu(x)


class Dense(nn.Module):
    """Fully connected layer, and ReLU behind it if `is_activated`."""

    units: int
    is_activated: bool = True
    dtype: jax.typing.DTypeLike = jnp.float32

    def setup(self) -> None:
        self.dense = nn.Dense(self.units, dtype=self.dtype, kernel_init=he_kernel)
        nn.share_scope(self, self.dense)  # its variables are this layer's own

    def __call__(self, x: Float[jax.Array, "b _"], train: bool) -> Float[jax.Array, "b units"]:
        x = self.dense(x)
        return nn.relu(x) if self.is_activated else x


class Norm(nn.Module):
    """Batch normalisation."""

    dtype: jax.typing.DTypeLike = jnp.float32

    def setup(self) -> None:
        self.norm = nn.BatchNorm(momentum=0.9, dtype=self.dtype)
        nn.share_scope(self, self.norm)

    def __call__(self, x: Float[jax.Array, "b h w c"], train: bool) -> Float[jax.Array, "b h w c"]:
        return self.norm(x, use_running_average=not train)


class Pool(nn.Module):
    """A pool over 2x2 windows, of the kinds in `POOLS`."""

    kind: str

    def __call__(self, x: Float[jax.Array, "b h w c"], train: bool) -> Float[jax.Array, "b h2 w2 c"]:
        return POOLS[self.kind](x)


class PoolAndFlatten(nn.Module):
    """Averages the map down to `size` x `size` places, and makes a vector of it."""

    size: int

    def __call__(self, x: Float[jax.Array, "b h w c"], train: bool) -> Float[jax.Array, "b _"]:
        return avg_pool_to(x, self.size).reshape(x.shape[0], -1)


class ReluMean(nn.Module):
    """ReLU, and the mean over all places."""

    def __call__(self, x: Float[jax.Array, "b h w c"], train: bool) -> Float[jax.Array, "b c"]:
        return nn.relu(x).mean(axis=(1, 2))


def _corners(x: jax.Array) -> list[jax.Array]:
    """The four images `[b, h // 2, w // 2, c]` that a 2x2 window with stride 2 meets; odd edges are left out."""
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return [x[:, row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]


def max_pool(x: Float[jax.Array, "b h w c"]) -> Float[jax.Array, "b h2 w2 c"]:
    """The maximum over 2x2 windows with stride 2."""
    return reduce(jnp.maximum, _corners(x))


def avg_pool(x: Float[jax.Array, "b h w c"]) -> Float[jax.Array, "b h2 w2 c"]:
    """The mean over 2x2 windows with stride 2."""
    return reduce(jnp.add, _corners(x)) / 4


POOLS: dict[str, Callable[[jax.Array], jax.Array]] = {"max": max_pool, "avg": avg_pool}


def avg_pool_to(x: Float[jax.Array, "b h w c"], size: int) -> Float[jax.Array, "b h2 w2 c"]:
    """Averages each side that is longer than `size` down to `size`.

    Window i of a side of length n covers floor(i n / size) to ceil((i + 1) n / size), so that any length works;
    windows overlap where `size` does not divide n.
    """
    for axis in (1, 2):
        length = x.shape[axis]
        if length > size:
            weights = jnp.asarray(_window_weights(length, size), x.dtype)
            x = jnp.moveaxis(jnp.tensordot(x, weights, axes=(axis, 1)), -1, axis)
    return x


def _window_weights(length: int, size: int) -> Float[np.ndarray, "size length"]:
    starts = np.arange(size) * length // size
    ends = -(-(np.arange(size) + 1) * length // size)
    places = np.arange(length)
    inside = (places >= starts[:, None]) & (places < ends[:, None])
    return inside / inside.sum(axis=1, keepdims=True)
