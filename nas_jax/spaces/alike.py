"""Genes with the same choices, such as the edges of a cell or the blocks of a chain: how often each choice occurs.

What an operation does is often much the same wherever it stands. One-hot genes alone let a surrogate find that out for
each place anew.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Alike(NamedTuple):
    """Genes that have the same choices."""

    genes: tuple[int, ...]  # their places
    num_choices: int


def alike_genes(choices: Sequence[tuple[Any, ...]]) -> tuple[Alike, ...]:
    """The sets of two or more genes that have the same choices, of which there are at least two, in the same order."""
    places: dict[tuple[Any, ...], list[int]] = {}
    for place, values in enumerate(choices):
        places.setdefault(tuple((type(value), value) for value in values), []).append(place)
    return tuple(Alike(tuple(genes), len(key)) for key, genes in places.items() if len(genes) > 1 and len(key) > 1)


def shares(codes: Int[np.ndarray, "n g"], sets: Sequence[Alike]) -> Float[np.ndarray, "n c"]:
    """For each set and choice the share of the set's genes that have it, in [0, 1], from numbers of choices."""
    return np.concatenate([np.zeros((len(codes), 0)), *_columns(codes, sets)], axis=1)


def _columns(codes: Int[np.ndarray, "n g"], sets: Sequence[Alike]) -> Iterator[Float[np.ndarray, "n c"]]:
    for genes, num_choices in sets:
        yield np.stack([np.mean(codes[:, genes] == choice, axis=1) for choice in range(num_choices)], axis=1)
