"""What tells one data set from another: a digest of its examples."""

import hashlib

import numpy as np

from nas_jax.data.arrays import PARTS, Dataset

_MAX_BYTES = 2**28  # of an array that is looked at as a whole, which takes a fraction of a second
_NUM_LOOKED_AT = 4096  # examples of a larger one


def digest_of(dataset: Dataset) -> str:
    """SHA-256 of the arrays of all parts, and of the names of classes and tokens. Of large arrays it takes a sample.

    Where the files are and what they are called is not in it.
    """
    found = hashlib.sha256(repr((dataset.class_names, dataset.vocabulary)).encode())
    for part in PARTS:
        for name, array in sorted(getattr(dataset, part).items()):
            found.update(repr((part, name, array.dtype.str, array.shape)).encode())
            found.update(_looked_at(array).tobytes())
    return found.hexdigest()


def _looked_at(array: np.ndarray) -> np.ndarray:
    if array.nbytes <= _MAX_BYTES:
        return array
    return array[np.linspace(0, len(array) - 1, _NUM_LOOKED_AT).astype(int)]
