"""Flax blocks and pooling functions that more than one space uses.

Two operations are slow with XLA on a CPU in their usual form, and have another one there, equal up to rounding
(`experiments/cpu_layers` has the measurements): `nn.max_pool`, whose gradient is a select-and-scatter, is
arithmetic on slices here on every device (ties share the gradient); convolutions see `conv2d`.
"""

from collections.abc import Callable
from functools import reduce

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
from flax import linen as nn
from jaxtyping import Float


def conv2d(x: Float[jax.Array, "b h w c"], kernel: Float[jax.Array, "k k c f"]) -> Float[jax.Array, "b h w f"]:
    """Convolution with 'same' padding and stride 1, the kernel's side being odd."""
    if jax.default_backend() != "cpu":
        return _xla_conv(x, kernel)
    side = min(x.shape[1:3])
    if kernel.shape[0] > side:
        return _matmul_conv(x, kernel)
    is_large = side > 16 and kernel.shape[3] >= 64
    return _cpu_conv(x, kernel) if is_large else _xla_conv(x, kernel)


def _xla_conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _matmul_conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """One matrix product of all patches: for kernels larger than the map, which XLA convolves several times slower."""
    size, _, channels, filters = kernel.shape
    patches = jnp.concatenate(_row_patches(x, size), axis=-1)
    return patches @ kernel.reshape(size * size * channels, filters)


@jax.custom_vjp
def _cpu_conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """As `_xla_conv`; the kernel's gradient is a matrix product for each row of the kernel.

    XLA takes that gradient as a convolution whose kernel is as large as the map, which is slower where both the map
    and the number of filters are large, and faster elsewhere.
    """
    return _xla_conv(x, kernel)


def _cpu_conv_forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _xla_conv(x, kernel), (x, kernel)


def _cpu_conv_backward(saved: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    size, _, channels, filters = kernel.shape
    dx = _xla_conv(dy, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))
    flat_dy = dy.reshape(-1, filters)
    rows = [patches.reshape(-1, size * channels).T @ flat_dy for patches in _row_patches(x, size)]
    return dx, jnp.stack(rows).reshape(kernel.shape)


_cpu_conv.defvjp(_cpu_conv_forward, _cpu_conv_backward)


def _row_patches(x: jax.Array, size: int) -> list[jax.Array]:
    """For each row of a kernel of this size, what its columns meet: `size` arrays `[b, h, w, size * c]`."""
    _, height, width, _ = x.shape
    pad = size // 2
    padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    columns = jnp.concatenate([padded[:, :, j : j + width] for j in range(size)], axis=-1)
    return [columns[:, i : i + height] for i in range(size)]


class ConvBlock(nn.Module):
    """Convolution with 'same' padding, batch normalisation, ReLU."""

    filters: int
    kernel_size: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w _"], train: bool) -> Float[jax.Array, "b h w f"]:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.filters)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        x = conv2d(x.astype(self.dtype), kernel.astype(self.dtype))
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=self.dtype)(x)
        return nn.relu(x)


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
