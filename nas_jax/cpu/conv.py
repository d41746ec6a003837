"""Convolutions in the form that is fastest on a CPU; `experiments/cpu_layers` has the measurements."""

from functools import reduce

import jax
import jax.numpy as jnp

from nas_jax.cpu.spectral_conv import spectral_conv

# Images whose shares of a kernel's gradient are computed together; fewer are faster by some per cent, but each group is
# one more convolution to compile.
_GROUP = 32


def conv_on_cpu(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A product of spectra where that is faster, and otherwise the usual convolution with a gradient of its own."""
    if is_spectral_faster(x, kernel):
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        return spectral_conv(x.astype(dtype), kernel.astype(dtype)).astype(x.dtype)
    return grouped_conv(x, kernel) if _is_known(x.shape[0]) and x.shape[0] > _GROUP else xla_conv(x, kernel)


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
def grouped_conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """As `xla_conv`; the kernel's gradient is a sum over groups of images.

    XLA takes that gradient as one matrix product that contracts all places of all images, and whose operands do not
    fit into a cache; those of a group do.
    """
    return xla_conv(x, kernel)


def _grouped_forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return xla_conv(x, kernel), (x, kernel)


def _grouped_backward(saved: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    dx = xla_conv(dy, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))
    groups = [slice(start, start + _GROUP) for start in range(0, x.shape[0], _GROUP)]
    return dx, reduce(jnp.add, [_kernel_gradient(x[group], kernel, dy[group]) for group in groups])


def _kernel_gradient(x: jax.Array, kernel: jax.Array, dy: jax.Array) -> jax.Array:
    (gradient,) = jax.linear_transpose(lambda kernel: xla_conv(x, kernel), kernel)(dy)
    return gradient


grouped_conv.defvjp(_grouped_forward, _grouped_backward)
