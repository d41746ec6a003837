"""The rows of a table as genomes: what `nas_jax.spaces.categorical` reads."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nas_jax.spaces.columns import Column
from nas_jax.tables import Table, number
from nas_jax.trial import Genome


class Rows(NamedTuple):
    """What a table has of a space, a genome a row."""

    genomes: list[Genome]
    places: dict[Genome, int]
    codes: Int[np.ndarray, "g n"]  # places among the choices of each gene
    free: Float[np.ndarray, "n f"]

    def nearest(self, genome: Genome) -> list[Genome]:
        """All other genomes that differ from `genome` in the smallest number of genes."""
        own = self.places[genome]
        distances = (self.codes != self.codes[:, [own]]).sum(axis=0)
        distances[own] = len(self.codes) + 1
        is_nearest = distances == distances.min()
        return [self.genomes[place] for place in np.flatnonzero(is_nearest) if place != own]


def rows_of(
    table: Table, columns: Mapping[str, Column], choices: Sequence[Sequence[Any]], free_features: Sequence[str]
) -> Rows:
    """The genomes of a table of which every gene has one of its choices.

    Args:
        columns: The column of each gene, by its name.
        choices: Those of each gene.
        free_features: Columns of which the mean over the rows of a genome is kept, as log10 if all are positive.

    Raises:
        ValueError: there are no such rows, or a free feature is no number in one.
    """
    coded = []
    for column, values in zip(columns.values(), choices, strict=True):
        code_of = {column.key(value): code for code, value in enumerate(values)}
        coded.append([code_of.get(key, -1) for key in column.keys])
    row_codes = np.array(coded).T
    is_inside = (row_codes >= 0).all(axis=1)
    if not is_inside.any():
        raise ValueError(f"{table.path} has no row with these choices: {dict(zip(columns, choices, strict=True))}")
    codes, row_genome = np.unique(row_codes[is_inside], axis=0, return_inverse=True)
    row_genome = row_genome.reshape(-1)  # NumPy 2.0 gives it another shape
    free = np.empty((len(codes), len(free_features)))
    for place, name in enumerate(free_features):
        cells = [number(row.get(name)) for row in table.rows]
        if None in cells:
            where = table.place(cells.index(None))
            raise ValueError(f"the free feature {name!r} has no number in {where} of {table.path}")
        sums = np.bincount(row_genome, weights=np.array(cells, np.float64)[is_inside])
        free[:, place] = sums / np.bincount(row_genome)
        if (free[:, place] > 0).all():
            free[:, place] = np.log10(free[:, place])
    listed = ([choices[gene][code] for code in codes[:, gene].tolist()] for gene in range(len(choices)))
    genomes = list(zip(*listed, strict=True))
    places = {genome: place for place, genome in enumerate(genomes)}
    return Rows(genomes, places, np.ascontiguousarray(codes.T, np.int32), free)
