"""Convolutions in the form that is fastest on a CPU; `experiments/cpu_layers` has the measurements."""

from functools import partial

import jax
import jax.numpy as jnp

from nas_jax.cpu.spectral_conv import spectral_conv

_PLACES = 2048  # of maps, whose shares of a kernel's gradient are computed together: two images of 32x32


def conv_on_cpu(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """A matrix product for a kernel of one place, a product of spectra where that is faster, and otherwise the usual
    convolution with a gradient of its own.
    """
    if kernel.shape[0] == 1:
        return _product_at_each_place(x[:, ::stride, ::stride], kernel[0, 0])
    if stride == 1 and is_spectral_faster(x, kernel):
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        return spectral_conv(x.astype(dtype), kernel.astype(dtype)).astype(x.dtype)
    is_large = _is_known(x.shape[0]) and x.shape[0] * x.shape[1] * x.shape[2] > _PLACES
    return direct_conv(x, kernel, stride) if is_large else xla_conv(x, kernel, stride)


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


def _product_at_each_place(x: jax.Array, matrix: jax.Array) -> jax.Array:
    return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], -1)


def xla_conv(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    pad = kernel.shape[0] // 2
    return _convolve(x, kernel, (stride, stride), ((pad, pad), (pad, pad)))


_convolve = partial(jax.lax.conv_general_dilated, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def direct_conv(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """As `xla_conv`; the kernel's gradient is a sum of matrix products, over its places and over groups of images.

    XLA takes that gradient as one convolution whose kernel is the whole map, in all images at once, which is many times
    slower on some machines.
    """
    return xla_conv(x, kernel, stride)


def _forward(x: jax.Array, kernel: jax.Array, stride: int) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return xla_conv(x, kernel, stride), (x, kernel)


def _backward(stride: int, saved: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    num, size = _num_in_group(x), kernel.shape[0]

    def add_group(total: jax.Array, group: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        return total + _kernel_gradient(*group, size, stride), None

    groups = (x.reshape(-1, num, *x.shape[1:]), dy.reshape(-1, num, *dy.shape[1:]))
    total, _ = jax.lax.scan(add_group, jnp.zeros(kernel.shape, _type_of_sums(x)), groups)
    return _map_gradient(dy, kernel, stride, x.shape[1:3]), total.astype(kernel.dtype)


def _map_gradient(dy: jax.Array, kernel: jax.Array, stride: int, sides: tuple[int, ...]) -> jax.Array:
    """The convolution of `dy`, its places as far apart as the stride, with the kernel turned round."""
    pad = kernel.shape[0] // 2
    left = [side - 1 - stride * (length - 1) for side, length in zip(sides, dy.shape[1:3], strict=True)]
    padding = [(pad, pad + each) for each in left]
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    return _convolve(dy, turned, (1, 1), padding, lhs_dilation=(stride, stride))


def _num_in_group(x: jax.Array) -> int:
    """The largest number that divides that of the images, and whose maps have no more than `_PLACES`; at least one."""
    num, height, width, _ = x.shape
    most = max(1, _PLACES // (height * width))
    return max(each for each in range(1, most + 1) if num % each == 0)


def _kernel_gradient(x: jax.Array, dy: jax.Array, size: int, stride: int) -> jax.Array:
    """For each place of the kernel, the product of two maps of which the narrower one is shifted there.

    With a stride it is always `x`: of that some places are left out.
    """
    if stride > 1 or x.shape[-1] <= dy.shape[-1]:
        products = [_product(shifted, dy) for shifted in _shifts(x, size, stride)]
    else:
        products = [_product(x, shifted) for shifted in _shifts(dy, size)[::-1]]
    return jnp.stack(products).reshape(size, size, x.shape[-1], dy.shape[-1])


def _product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Sums the products of all pairs of channels over all places: `[b, h, w, c]`, `[b, h, w, f]` -> `[c, f]`."""
    left, right = (array.reshape(-1, array.shape[-1]) for array in (left, right))
    return jax.lax.dot_general(left, right, (((0,), (0,)), ((), ())), preferred_element_type=_type_of_sums(left))


def _type_of_sums(x: jax.Array) -> jnp.dtype:
    return jnp.promote_types(x.dtype, jnp.float32)


def _shifts(x: jax.Array, size: int, stride: int = 1) -> list[jax.Array]:
    """The map as each place of a kernel meets it, row by row; what is outside of it is zero."""
    pad, (_, height, width, _) = size // 2, x.shape
    padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return [
        padded[:, row : row + height : stride, column : column + width : stride]
        for row in range(size)
        for column in range(size)
    ]


direct_conv.defvjp(_forward, _backward)
