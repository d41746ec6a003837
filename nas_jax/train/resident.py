"""A data set on the devices: put there once, and kept from one network to the next.

Only the last one that was asked for is kept. On a CPU nothing is copied if the arrays are aligned, as mapped files are.
"""

import functools

import jax
import numpy as np
from jax.sharding import NamedSharding

from nas_jax.data.arrays import Dataset


@functools.lru_cache(maxsize=1)
def training_arrays(dataset: Dataset, sharding: NamedSharding) -> tuple[jax.Array, jax.Array]:
    """Images `[n, h, w, c]` and labels `[n]` of the training split."""
    return jax.device_put((dataset.train.images, dataset.train.labels), sharding)


@functools.lru_cache(maxsize=1)
def evaluation_batches(
    dataset: Dataset, part: str, batch_size: int, sharding: NamedSharding
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """A split in batches, the last one padded: images `[k, b, h, w, c]`, labels `[k, b]`, which are real `[k, b]`."""
    split = getattr(dataset, part)
    num = len(split.labels)
    num_batches = -(-num // batch_size)

    def in_batches(array: np.ndarray) -> np.ndarray:
        padding = [(0, num_batches * batch_size - num)] + [(0, 0)] * (array.ndim - 1)
        return np.pad(array, padding).reshape(num_batches, batch_size, *array.shape[1:])

    return jax.device_put(tuple(map(in_batches, (*split, np.ones(num, bool)))), sharding)
