"""Convolutions in the form that is fastest on a CPU; `experiments/cpu_layers` has the measurements."""

import jax
import jax.numpy as jnp

from nas_jax.cpu.spectral_conv import spectral_conv

_PLACES = 2048  # of maps, whose shares of a kernel's gradient are computed together: two images of 32x32


def conv_on_cpu(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A product of spectra where that is faster, and otherwise the usual convolution with a gradient of its own."""
    if is_spectral_faster(x, kernel):
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        return spectral_conv(x.astype(dtype), kernel.astype(dtype)).astype(x.dtype)
    is_large = _is_known(x.shape[0]) and x.shape[0] * x.shape[1] * x.shape[2] > _PLACES
    return direct_conv(x, kernel) if is_large else xla_conv(x, kernel)


def is_spectral_faster(x: jax.Array, kernel: jax.Array) -> bool:
    """For the arguments of `conv_on_cpu`; the limits are measured by `experiments/cpu_layers/spectra.py`.

    A place of a map costs about 3 multiplications for each pair of channels instead of `size**2`, but its transforms
    some for each single channel: the more, the less of the map stays in the cache. The images share the kernel's.
    Kernels larger than the map are slow with XLA. A kernel's spectrum may take 256 MiB.
    """
    (num_images, height, width, _), (size, _, channels, filters) = x.shape, kernel.shape
    if size > min(height, width):
        return True
    saving = (size**2 - 3) * channels * filters / (channels + filters)
    is_small = 2 * height * width * channels * filters <= 2**26
    return _is_known(num_images) and num_images >= 32 and is_small and saving > 4.7 * max(height, width, 16)


def _is_known(size: object) -> bool:
    """Of an exported program the number of images is a symbol."""
    return isinstance(size, int)


def xla_conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@jax.custom_vjp
def direct_conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """As `xla_conv`; the kernel's gradient is a sum of matrix products, over its places and over groups of images.

    XLA takes that gradient as one convolution whose kernel is the whole map, in all images at once, which is many times
    slower on some machines.
    """
    return xla_conv(x, kernel)


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return xla_conv(x, kernel), (x, kernel)


def _backward(saved: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    dx = xla_conv(dy, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))
    num, size = _num_in_group(x), kernel.shape[0]

    def add_group(total: jax.Array, group: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        return total + _kernel_gradient(*group, size), None

    groups = (x.reshape(-1, num, *x.shape[1:]), dy.reshape(-1, num, *dy.shape[1:]))
    total, _ = jax.lax.scan(add_group, jnp.zeros(kernel.shape, _type_of_sums(x)), groups)
    return dx, total.astype(kernel.dtype)


def _num_in_group(x: jax.Array) -> int:
    """The largest number that divides that of the images, and whose maps have no more than `_PLACES`; at least one."""
    num, height, width, _ = x.shape
    most = max(1, _PLACES // (height * width))
    return max(each for each in range(1, most + 1) if num % each == 0)


def _kernel_gradient(x: jax.Array, dy: jax.Array, size: int) -> jax.Array:
    """For each place of the kernel, the product of two maps of which the narrower one is shifted there."""
    if x.shape[-1] <= dy.shape[-1]:
        products = [_product(shifted, dy) for shifted in _shifts(x, size)]
    else:
        products = [_product(x, shifted) for shifted in _shifts(dy, size)[::-1]]
    return jnp.stack(products).reshape(size, size, x.shape[-1], dy.shape[-1])


def _product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Sums the products of all pairs of channels over all places: `[b, h, w, c]`, `[b, h, w, f]` -> `[c, f]`."""
    left, right = (array.reshape(-1, array.shape[-1]) for array in (left, right))
    return jax.lax.dot_general(left, right, (((0,), (0,)), ((), ())), preferred_element_type=_type_of_sums(left))


def _type_of_sums(x: jax.Array) -> jnp.dtype:
    return jnp.promote_types(x.dtype, jnp.float32)


def _shifts(x: jax.Array, size: int) -> list[jax.Array]:
    """The map as each place of a kernel meets it, row by row; what is outside of it is zero."""
    pad, (_, height, width, _) = size // 2, x.shape
    padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return [padded[:, row : row + height, column : column + width] for row in range(size) for column in range(size)]


direct_conv.defvjp(_forward, _backward)
