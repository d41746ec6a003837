"""Batches of texts of about the same length: a network then computes few places that only fill up, in few shapes.

Each shape is a program to compile, so there are three at most, and in a short training one
(`experiments/text_lengths`). Such batches are made only where a call takes one batch, on a CPU: an accelerator takes
those of an epoch in one call, all in one shape.
"""

from functools import lru_cache
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from flax import linen as nn
from jax.sharding import NamedSharding
from jaxtyping import Int

from nas_jax.data.arrays import Batch, Dataset
from nas_jax.data.tokens import PADDING

_SHARES = (0.5, 0.9)  # of the examples, that two shorter lengths have room for
_LONGEST = 0.8  # of the whole length; a longer one would save little
_FEWEST_STEPS = 600  # of a training that is worth two more programs
_ALONG = ("tokens", "next")  # arrays with a place for each token


@runtime_checkable
class AnyLength(Protocol):
    """A network that takes texts shorter than those of the data set, with the same variables and the same outputs."""

    takes_shorter: ClassVar[bool]


class Lengths(NamedTuple):
    """Ascending; and of each training example the place of the smallest that has room for it."""

    each: tuple[int, ...]
    of_examples: Int[np.ndarray, " n"]

    def of_batches(self, batches: Int[np.ndarray, "k b"]) -> list[int]:
        """What each batch needs."""
        return [self.each[place] for place in self.of_examples[batches].max(axis=1)]

    def sorted_batches(self, batches: Int[np.ndarray, "k b"]) -> Int[np.ndarray, "k b"]:
        """The same examples, those of one length together; batches are in the order in which their first was drawn."""
        drawn = batches.ravel()
        order = np.argsort(self.of_examples[drawn], kind="stable").reshape(batches.shape)
        return drawn[order[np.argsort(order[:, 0])]]


def lengths_for(network: nn.Module, dataset: Dataset, num_steps: int) -> Lengths | None:
    """Those in which a training of so many steps takes its batches; None for the whole length alone."""
    if not (isinstance(network, AnyLength) and network.takes_shorter) or num_steps < _FEWEST_STEPS:
        return None
    if dataset.stored is not None:  # it would be in memory once for each length
        return None
    lengths = lengths_of(dataset)
    return lengths if len(lengths.each) > 1 else None


@lru_cache(maxsize=1)
def lengths_of(dataset: Dataset) -> Lengths:
    tokens = dataset.train["tokens"]
    whole = tokens.shape[1]
    ends = ((tokens != PADDING) * np.arange(1, whole + 1)).max(axis=1)
    shorter = {max(1, int(np.quantile(ends, share, method="inverted_cdf"))) for share in _SHARES}
    each = (*sorted(length for length in shorter if length <= _LONGEST * whole), whole)
    return Lengths(each, np.searchsorted(each, ends))


def shortened(arrays: Batch, length: int) -> Batch:
    return {name: array[:, :length] if name in _ALONG else array for name, array in arrays.items()}


@lru_cache(maxsize=1)
def shortened_arrays(dataset: Dataset, sharding: NamedSharding) -> dict[int, Batch]:
    """The training split on the devices, once for each length."""
    return {
        length: jax.device_put(jax.tree.map(np.ascontiguousarray, shortened(dataset.train, length)), sharding)
        for length in lengths_of(dataset).each
    }
