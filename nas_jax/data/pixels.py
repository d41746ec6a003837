"""Counts of 8-bit values, in blocks: of arrays that are larger than memory too."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8

_BLOCK = 1024  # examples


class Moments(NamedTuple):
    """Mean and standard deviation of each channel of images whose pixels are scaled to [0, 1].

    A channel that never changes has the deviation 1, so that dividing by it is safe. Empty where there are no images.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def in_blocks_of(array: np.ndarray) -> Iterator[np.ndarray]:
    """The examples of an array, a thousand at a time."""
    for start in range(0, len(array), _BLOCK):
        yield array[start : start + _BLOCK]


def counts_of_values(array: UInt8[np.ndarray, "n ..."]) -> Int64[np.ndarray, "256"]:
    """How often each of the 256 values occurs."""
    counts = np.zeros(256, np.int64)
    for block in in_blocks_of(array):
        counts += np.bincount(block.ravel(), minlength=256)  # copies the block to int64, eight times as many bytes
    return counts


def moments_of(images: UInt8[np.ndarray, "n h w c"]) -> Moments:
    """From counts of the 256 values: exact, and quick."""
    values, num_channels = np.arange(256), images.shape[3]
    counts = np.zeros((num_channels, 256), np.int64)
    for block in in_blocks_of(images):
        for channel in range(num_channels):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    means = np.array([np.average(values, weights=each) for each in counts])
    variances = [np.average((values - mean) ** 2, weights=each) for mean, each in zip(means, counts, strict=True)]
    stds = [math.sqrt(variance) / 255 or 1.0 for variance in variances]
    return Moments(tuple((means / 255).tolist()), tuple(stds))
