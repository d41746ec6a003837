"""A data set on the devices: put there once, and kept from one network to the next.

Only the last one that was asked for is kept. On a CPU nothing is copied if the arrays are aligned, as mapped files are.
"""

import functools

import jax
import numpy as np
from jax.sharding import NamedSharding

from nas_jax.data.arrays import Batch, Dataset, num_examples


@functools.lru_cache(maxsize=1)
def training_arrays(dataset: Dataset, sharding: NamedSharding) -> Batch:
    """The training split."""
    return jax.device_put(dataset.train, sharding)


@functools.lru_cache(maxsize=1)
def validation_batches(dataset: Dataset, batch_size: int, sharding: NamedSharding) -> tuple[Batch, jax.Array]:
    """The validation split in batches, the last one padded: arrays `[k, b, …]`, and which are real `[k, b]`."""
    num = num_examples(dataset.val)
    num_batches = -(-num // batch_size)

    def in_batches(array: np.ndarray) -> np.ndarray:
        padding = [(0, num_batches * batch_size - num)] + [(0, 0)] * (array.ndim - 1)
        return np.pad(array, padding).reshape(num_batches, batch_size, *array.shape[1:])

    return jax.device_put(jax.tree.map(in_batches, (dataset.val, np.ones(num, bool))), sharding)
