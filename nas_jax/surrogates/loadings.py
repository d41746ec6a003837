"""What the lengthscales of features have in common, as loadings: features with equal rows have equal lengthscales.

A one-hot gene is several features, of which no one alone is relevant. Where columns are seen to be such blocks, each
feature is loaded on its block (how much the gene matters) and on its place in it (how much the choice does), which
blocks of one size share: an operation means much the same wherever it stands. Any other feature is loaded on itself.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nas_jax.surrogates.hyperparameters import groups_of


def loadings_of(x: Float[np.ndarray, "n d"], groups: Sequence[Hashable] | None) -> Float[np.ndarray, "d k"]:
    """Loadings for training inputs; labels `[d]` take the place of blocks and of features that stand alone.

    Raises:
        ValueError: labels of another number than features.
    """
    groups_of(groups, x.shape[1], ard=True)  # refuses labels of another number
    block = one_hot_blocks(x)
    sizes = np.bincount(block, minlength=block.max() + 1)[block]
    places = np.arange(len(block)) - np.searchsorted(block, block)
    alike = [(size, place) if size > 1 else None for size, place in zip(sizes.tolist(), places.tolist(), strict=True)]
    return np.concatenate([_indicators(block.tolist() if groups is None else groups), _indicators(alike)], axis=1)


def one_hot_blocks(x: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " d"]:
    """The number of the block of each column, ascending: neighbours of which each row has exactly one, else alone.

    Columns count by where they take the larger of two values, whatever the values are. A column that never varies at
    the end of a block cannot be told from one of its own.
    """
    is_binary, is_high = _binary(x)
    blocks, start, number = np.empty(x.shape[1], int), 0, 0
    while start < x.shape[1]:
        end = _end_of_block(is_binary, is_high, start)
        blocks[start:end] = number
        start, number = end, number + 1
    return blocks


def _end_of_block(is_binary: Bool[np.ndarray, " d"], is_high: Bool[np.ndarray, "n d"], start: int) -> int:
    """Behind the first columns from `start` on that sum to one in every row; behind `start` where there are none."""
    counts = np.zeros(len(is_high), int)
    for end in range(start, is_high.shape[1]):
        counts += is_high[:, end]
        if not is_binary[end] or counts.max() > 1:
            break
        if counts.min() == 1:
            return end + 1
    return start + 1


def _binary(x: Float[np.ndarray, "n d"]) -> tuple[Bool[np.ndarray, " d"], Bool[np.ndarray, "n d"]]:
    """Whether each column has at most two values, and where it has the larger of two."""
    low, high = x.min(axis=0), x.max(axis=0)
    is_high = (x == high) & (high > low)
    return np.all(is_high | (x == low), axis=0), is_high


def _indicators(labels: Sequence[Any]) -> Float[np.ndarray, "d k"]:
    """A column for each label but None, with ones where features have it."""
    known = [label for label in dict.fromkeys(labels) if label is not None]
    return np.array([[float(label == other) for other in known] for label in labels]).reshape(len(labels), len(known))
