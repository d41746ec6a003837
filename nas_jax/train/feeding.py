"""What training steps read: the training split, which stays on the devices, or of one in files the rows of a batch.

Of a split in files, threads read the rows of the batches that come next while the devices compute. They are Grain's
(google-grain.readthedocs.io).
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Int32

from nas_jax.data.arrays import Batch, Dataset, Split, num_examples
from nas_jax.train.resident import training_arrays

Batches: TypeAlias = Int32[np.ndarray, "k b"]  # places of training examples

_NUM_THREADS = 4
_NUM_AHEAD = 8  # batches that wait in memory


@runtime_checkable
class Feed(Protocol):
    """The training examples, as steps read them."""

    def steps(self, batches: Batches) -> Iterator[tuple[Batch, Int32[np.ndarray, " b"]]]:
        """For each batch arrays on the devices, and the places of its examples in them."""
        ...


class Resident(NamedTuple):
    """All of them are on the devices."""

    examples: Batch

    def steps(self, batches: Batches) -> Iterator[tuple[Batch, Int32[np.ndarray, " b"]]]:
        return ((self.examples, indices) for indices in batches)


class Streamed(NamedTuple):
    """Those of one batch after another come to the devices."""

    split: Split
    sharding: NamedSharding

    def steps(self, batches: Batches) -> Iterator[tuple[Batch, Int32[np.ndarray, " b"]]]:
        import grain  # where nothing is streamed it need not be installed

        places = np.arange(batches.shape[1], dtype=np.int32)
        rows = (
            grain.MapDataset.source(batches)
            .map(self._rows)
            .to_iter_dataset(grain.ReadOptions(num_threads=_NUM_THREADS, prefetch_buffer_size=_NUM_AHEAD))
        )
        for batch in rows:
            yield jax.device_put(batch, self.sharding), places

    def _rows(self, indices: Int32[np.ndarray, " b"]) -> Split:
        return {name: array[indices] for name, array in self.split.items()}


def feed_of(dataset: Dataset, sharding: NamedSharding) -> Feed:
    """The training split of a data set, for devices that all get what a step reads."""
    if dataset.stored is None:
        return Resident(training_arrays(dataset, sharding))
    return Streamed(dataset.train, sharding)


def feed_shapes(dataset: Dataset, batch_size: int) -> Batch:
    """Of the arrays that a step of such a batch reads, as `jax.ShapeDtypeStruct`s."""
    num = num_examples(dataset.train) if dataset.stored is None else batch_size
    return {name: jax.ShapeDtypeStruct((num, *array.shape[1:]), array.dtype) for name, array in dataset.train.items()}
