"""Variables as few long vectors in place of many small arrays: an update is a few operations, and not some a layer.

A compiled training step has fewer kernels for it (`experiments/compile_time`): the optimiser's arithmetic, momentum and
weight decay are one pass over each vector.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

# By type, and then "kernel" for all kernels and "other" for all else: a rule for kernels finds them by this name, as it
# does in the variables of a network.
Packed: TypeAlias = dict[str, dict[str, Any]]


class _Leaf(NamedTuple):
    """Where an array lies: in which vector, from which place on."""

    dtype: str
    group: str
    start: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


class Packing(NamedTuple):
    """How the arrays of a tree lie in vectors."""

    leaves: tuple[_Leaf, ...]
    structure: Any

    def pack(self, tree: Any, concatenate: Callable[..., Any] = jnp.concatenate) -> Packed:
        """The vectors. With NumPy's `concatenate` it runs on the host, and nothing is compiled."""
        parts: dict[str, dict[str, list[Any]]] = {}
        for leaf, array in zip(self.leaves, self.structure.flatten_up_to(tree), strict=True):
            parts.setdefault(leaf.dtype, {}).setdefault(leaf.group, []).append(array.reshape(-1))
        return {
            dtype: {name: arrays[0] if len(arrays) == 1 else concatenate(arrays) for name, arrays in groups.items()}
            for dtype, groups in parts.items()
        }

    def unpack(self, packed: Packed) -> Any:
        """The tree; of vectors on the host its arrays are views."""
        vectors = (packed[leaf.dtype][leaf.group] for leaf in self.leaves)
        arrays = [
            vector[leaf.start : leaf.start + leaf.size].reshape(leaf.shape)
            for leaf, vector in zip(self.leaves, vectors, strict=True)
        ]
        return jax.tree.unflatten(self.structure, arrays)


def packing_of(shapes: Any) -> Packing:
    """For trees of dictionaries whose leaves are like those of `shapes`."""
    with_paths, structure = jax.tree_util.tree_flatten_with_path(shapes)
    lengths: dict[tuple[str, str], int] = {}
    leaves = []
    for path, array in with_paths:
        key = np.dtype(array.dtype).name, "kernel" if path[-1].key == "kernel" else "other"
        leaf = _Leaf(*key, lengths.get(key, 0), array.shape)
        lengths[key] = leaf.start + leaf.size
        leaves.append(leaf)
    return Packing(tuple(leaves), structure)
