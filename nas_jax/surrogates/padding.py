"""Padding rows, so that a few sizes, each compiled once, serve a data set that grows.

Padding rows are masked: they are independent of everything, with variance one and target zero, so that the
density of the others is what it would be without them, whatever the kernel.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from nas_jax.surrogates.base import Posterior, as_posterior
from nas_jax.surrogates.hyperparameters import Array

Chunk: TypeAlias = tuple[slice, Float[np.ndarray, "p d"]]  # which points, and these, with rows of zeros behind them


class Rows(NamedTuple):
    """Training data in scaled units, p rows of which the first n are real."""

    x: Float[Array, "p d"]
    y: Float[Array, " p"]
    noise_variance: Float[Array, " p"]  # known, beside what is learned
    is_real: Bool[Array, " p"]


def padded_size(num_rows: int) -> int:
    """The next power of two from 32 to 128; above, steps of an eighth to a quarter of what has been reached.

    From 20 to 150 rows there are four sizes, and up to 2,048 rows seventeen.
    """
    if num_rows <= 128:
        return max(32, 1 << (num_rows - 1).bit_length())
    step = max(64, 1 << ((num_rows - 1).bit_length() - 3))
    return -(-num_rows // step) * step


def pad(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], noise_variance: Float[np.ndarray, " n"]) -> Rows:
    """Appends rows of zeros up to the padded size."""
    num_padding = padded_size(len(y)) - len(y)
    return Rows(
        x=np.pad(x, ((0, num_padding), (0, 0))),
        y=np.pad(y, (0, num_padding)),
        noise_variance=np.pad(noise_variance, (0, num_padding)),
        is_real=np.arange(len(y) + num_padding) < len(y),
    )


def padded_posterior(posterior: Posterior) -> Posterior:
    """Repeats the last point up to a multiple of 1,024: acquisition functions are compiled once for each size."""
    num_padding = -len(posterior.mean) % 1024
    mean, std = (np.pad(np.asarray(part), (0, num_padding), mode="edge") for part in posterior)
    return as_posterior(mean, std, mean.dtype)


def chunks(points: Float[np.ndarray, "n d"], sizes: Sequence[int]) -> Iterator[Chunk]:
    """All points, in pieces of one size: the first of `sizes` that holds them all, or the last."""
    length = next((size for size in sizes if size >= len(points)), sizes[-1])
    for low in range(0, len(points), length):
        chunk = points[low : low + length]
        yield slice(low, low + len(chunk)), np.pad(chunk, ((0, length - len(chunk)), (0, 0)))
