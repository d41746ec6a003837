"""Convolution as a product of spectra, for a CPU: the larger the kernel and the more channels, the faster.

By the convolution theorem a place costs a few multiplications for each pair of channels, however large the kernel
(Mathieu, Henaff & LeCun, "Fast training of convolutional networks through FFTs", 2014, section 2.2). The maps of a
network are so small that matrix products, one for each axis, transform them best: XLA on a CPU is at its fastest there.

Frequencies lie halfway between the usual ones, at pi (2 i + 1) / period. What leaves a map at one end then comes back
at the other with its sign changed, onto places that a 'same' convolution does not keep, if the period is the side of
the map and half a kernel. No frequency is its own mirror image, so that one half of the spectrum of a real map holds as
many numbers as the map, without exceptions.

The spectrum of maps `[n, h, w, c]` is `[q, n, 2 c]`: for each of q frequencies real parts, then imaginary parts
(`c2`, `f2` and `..x2` in annotations are twice as many).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
from jaxtyping import Float


class _Bases(NamedTuple):
    """The transform along each axis. The first takes real numbers, the second complex ones, to both signs."""

    rows: Float[np.ndarray, "q1x2 h"]
    columns: Float[np.ndarray, "q2x2 wx2"]


@jax.custom_vjp
def spectral_conv(x: Float[jax.Array, "b h w c"], kernel: Float[jax.Array, "k k c f"]) -> Float[jax.Array, "b h w f"]:
    """Convolution with 'same' padding and stride 1, the kernel's side being odd.

    The number of images may be a symbol, as in an exported program. It rounds about as a direct
    convolution does: both agree within 1e-5 of the largest value in float32.
    """
    return _forward(x, kernel)[0]


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
    sides = x.shape[1:3]
    bases = _map_bases(sides, kernel.shape[0], x.dtype)
    spectra = _spectra(x, bases)
    factors = _factors(kernel, sides)
    return _maps(spectra @ factors, bases), (spectra, factors, kernel)


def _backward(saved: tuple[jax.Array, jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    spectra, factors, kernel = saved
    bases = _map_bases(dy.shape[1:3], kernel.shape[0], dy.dtype)
    dy_spectra = _spectra(dy, bases)
    dx = _maps(jnp.einsum("qnf,qcf->qnc", dy_spectra, factors), bases)
    dfactors = jnp.einsum("qnc,qnf->qcf", spectra, dy_spectra)
    return dx, _factors_transposed(dfactors, kernel, dy.shape[1:3])


spectral_conv.defvjp(_forward, _backward)


def _spectra(x: Float[jax.Array, "n h w c"], bases: _Bases) -> Float[jax.Array, "q n c2"]:
    rows, columns = bases
    num, height, width, channels = x.shape
    half = len(rows) // 2
    y = jnp.broadcast_to(rows, (num, *rows.shape)) @ x.reshape(num, height, width * channels)
    y = jnp.broadcast_to(columns, (num, half, *columns.shape)) @ y.reshape(num, half, 2 * width, channels)
    return y.reshape(num, half * len(columns) // 2, 2 * channels).swapaxes(0, 1)


def _maps(spectra: Float[jax.Array, "q n c2"], bases: _Bases) -> Float[jax.Array, "n h w c"]:
    """The transpose of `_spectra`, which is its inverse times the number of frequencies, where `bases` are of maps."""
    rows, columns = (basis.T for basis in bases)
    num, channels = spectra.shape[1], spectra.shape[2] // 2
    half, height, width = rows.shape[1] // 2, len(rows), len(columns) // 2
    y = jnp.broadcast_to(columns, (num, half, *columns.shape)) @ spectra.swapaxes(0, 1).reshape(num, half, -1, channels)
    y = jnp.broadcast_to(rows, (num, *rows.shape)) @ y.reshape(num, 2 * half, width * channels)
    return y.reshape(num, height, width, channels)


def _factors(kernel: Float[jax.Array, "k k c f"], sides: Sequence[int]) -> Float[jax.Array, "q c2 f2"]:
    """The matrix that takes the spectrum of a map to that of its convolution, for each frequency."""
    size, _, channels, filters = kernel.shape
    spectra = _spectra(kernel.reshape(1, size, size, -1), _kernel_bases(sides, size, kernel.dtype))
    spectra = spectra.reshape(-1, 2, channels, filters)
    real, imaginary = spectra[:, 0], spectra[:, 1]
    return jnp.concatenate(
        [jnp.concatenate([real, imaginary], axis=2), jnp.concatenate([-imaginary, real], axis=2)], axis=1
    )


def _factors_transposed(
    factors: Float[jax.Array, "q c2 f2"], kernel: Float[jax.Array, "k k c f"], sides: Sequence[int]
) -> Float[jax.Array, "k k c f"]:
    """The transpose of `_factors`, which XLA does not run as fast if JAX derives it."""
    size, _, channels, filters = kernel.shape
    real = factors[:, :channels, :filters] + factors[:, channels:, filters:]
    imaginary = factors[:, :channels, filters:] - factors[:, channels:, :filters]
    spectra = jnp.concatenate([real, imaginary], axis=1).reshape(len(factors), 1, -1)
    return _maps(spectra, _kernel_bases(sides, size, kernel.dtype)).reshape(kernel.shape)


def _map_bases(sides: Sequence[int], size: int, dtype: jax.typing.DTypeLike) -> _Bases:
    return _bases([-_frequencies(side, size) for side in sides], [np.arange(side) for side in sides], dtype)


def _kernel_bases(sides: Sequence[int], size: int, dtype: jax.typing.DTypeLike) -> _Bases:
    """Place 0 is the centre of the kernel. A network's convolution is a correlation: here frequencies are positive.

    The inverse transform's division by the number of frequencies is included: it is cheapest here.
    """
    frequencies = [_frequencies(side, size) for side in sides]
    rows, columns = _bases(frequencies, [np.arange(size) - size // 2] * 2, dtype)
    return _Bases(rows / (2 * math.prod(map(len, frequencies))), columns)


def _frequencies(side: int, size: int) -> Float[np.ndarray, " q"]:
    """One half of the frequencies, in radians from place to place."""
    half = (side + size // 2 + 1) // 2
    return np.pi * (2 * np.arange(half) + 1) / (2 * half)


def _bases(frequencies: Sequence[np.ndarray], places: Sequence[np.ndarray], dtype: jax.typing.DTypeLike) -> _Bases:
    """exp(i frequency place) as real matrices; along the columns for frequencies of both signs."""
    row_angles, column_angles = (np.multiply.outer(*pair) for pair in zip(frequencies, places, strict=True))
    rows = np.stack([np.cos(row_angles), np.sin(row_angles)], axis=1)
    column_angles = np.concatenate([column_angles, -column_angles])
    cos, sin = np.cos(column_angles), np.sin(column_angles)
    columns = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)
    return _Bases(
        rows.reshape(-1, row_angles.shape[1]).astype(dtype),
        columns.reshape(2 * len(column_angles), -1).astype(dtype),
    )
