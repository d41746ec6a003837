"""Columns of a table as features: zero-cost scores that others have published, or whatever one knows of each genome.

The table may be another one than that of the trials; what joins them is the name of a genome, or its genes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float

from nas_jax.errors import UserError
from nas_jax.evaluators.tabular import TableSpace
from nas_jax.metrics import is_of_test_split
from nas_jax.spaces.base import Space
from nas_jax.spaces.columns import read_column, text_of
from nas_jax.spaces.names import BenchmarkSpace
from nas_jax.tables import Table, number, read_table
from nas_jax.trial import Genome

_NUM_LOOKED_UP = 1000  # genomes, for the note of how many have a row


@dataclass(frozen=True)
class TableFeatures:
    """A feature a column; a genome with several rows has their mean. They cost nothing.

    What counts is the rank of a genome in the table, from 0 to 1: that is what such scores are good for
    (`experiments/zero_cost`), and it has no outliers.

    A genome without a row, or with a cell that is no finite number, lacks the feature.

    Args:
        path: A table's file, see `nas_jax.tables`.
        columns: The columns, with commas between their names.
        key: Column with the genomes' names: what the space's `benchmark_name` gives or, where it has no such method,
            `describe`. Without it, columns with the names of the space's genes join.

    Raises:
        UserError: the table cannot be read, lacks a column, or has no number in one.
        ValueError: no columns, one of the test split, or nothing that identifies a genome.
    """

    space: Space
    path: str
    columns: str
    key: str = ""
    table: Table = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("columns: name at least one")
        if not self.key and not isinstance(self.space, TableSpace):
            raise ValueError("give a key: the column of the genomes' names")
        if of_test := [name for name in self.names if is_of_test_split(name)]:
            raise ValueError(f"columns: {of_test[0]!r} is of the test split by its name, which no search may see")
        object.__setattr__(self, "table", read_table(self.path, is_all_needed=False))
        self.table.check_columns([*([self.key] if self.key else self._genes), *self.names], "features")
        for name, values in zip(self.names, _values(self.table, self.names).T, strict=True):
            if np.isnan(values).all():
                raise UserError(f"features: the column {name!r} of {self.path} has no number")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.columns.split(",") if name.strip())

    @property
    def limit(self) -> None:
        return None

    @property
    def digests(self) -> Mapping[str, str]:
        """The SHA-256 of the table, by the field that names it."""
        return {"path": self.table.digest}

    @property
    def notes(self) -> tuple[str, ...]:
        """How many genomes of the space have a row, where not all do."""
        genomes = self.space.sample(np.random.default_rng(0), _NUM_LOOKED_UP)
        known = _by_name(self.table, self.key, self.names) if self.key else self._by_genes()
        found = sum(self._name(genome) in known for genome in genomes)
        if found == len(genomes):
            return ()
        columns = repr(self.key) if self.key else ", ".join(self._genes)
        there, here = (_shown(next(iter(known))), _shown(self._name(genomes[0])))
        return (
            f"features: of {len(genomes):,} random genomes {found:,} have a row in {self.path}, and the others lack "
            f"{', '.join(self.names)}; they are joined by {columns}: {there} there, {here} here",
        )

    @property
    def _genes(self) -> tuple[str, ...]:
        assert isinstance(self.space, TableSpace)  # the constructor has made sure
        return self.space.gene_names

    def of(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n f"]:
        found = _by_name(self.table, self.key, self.names) if self.key else self._by_genes()
        missing = np.full(len(self.names), np.nan)
        return np.array([found.get(self._name(genome), missing) for genome in genomes]).reshape(-1, len(self.names))

    def _by_genes(self) -> Mapping[Any, Float[np.ndarray, " f"]]:
        return _by_keys(self.table, self._genes, self.names)

    def _name(self, genome: Genome) -> Any:
        """What joins: a name, or keys of genes."""
        if not self.key:
            columns = (read_column(self.table, gene) for gene in self._genes)
            return tuple(column.key(value) for column, value in zip(columns, genome, strict=True))
        if isinstance(self.space, BenchmarkSpace):
            return self.space.benchmark_name(genome)
        return self.space.describe(genome)


def _shown(name: Any) -> str:
    """A name as it is written in a table; of genes their values."""
    return repr(name) if isinstance(name, str) else ", ".join(map(str, name))


@cache
def _values(table: Table, columns: tuple[str, ...]) -> Float[np.ndarray, "r f"]:
    """The numbers of each row."""
    numbers = [[number(row.get(column)) for column in columns] for row in table.rows]
    return np.array(numbers, np.float64)


@cache
def _by_name(table: Table, key: str, columns: tuple[str, ...]) -> dict[Any, Float[np.ndarray, " f"]]:
    return _ranks(_means([text_of(row.get(key)) for row in table.rows], _values(table, columns)))


@cache
def _by_keys(table: Table, genes: tuple[str, ...], columns: tuple[str, ...]) -> dict[Any, Float[np.ndarray, " f"]]:
    keys = zip(*(read_column(table, gene).keys for gene in genes), strict=True)
    return _ranks(_means(list(keys), _values(table, columns)))


def _means(names: Sequence[Any], values: Float[np.ndarray, "r f"]) -> dict[Any, Float[np.ndarray, " f"]]:
    """The mean of the rows of each name that have a number."""
    places: dict[Any, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    means = {}
    for name, rows in places.items():
        known = ~np.isnan(values[rows])
        with np.errstate(invalid="ignore"):
            means[name] = np.nansum(values[rows], axis=0) / known.sum(axis=0)
    return means


def _ranks(found: dict[Any, Float[np.ndarray, " f"]]) -> dict[Any, Float[np.ndarray, " f"]]:
    """Of each feature the share of the genomes that have a smaller one, equals counted half; NaN stays."""
    values = np.array(list(found.values()))
    ranks = np.full(values.shape, np.nan)
    for place, column in enumerate(values.T):
        is_known = ~np.isnan(column)
        ordered = np.sort(column[is_known])
        below = np.searchsorted(ordered, column[is_known], "left") + np.searchsorted(ordered, column[is_known], "right")
        ranks[is_known, place] = below / (2 * max(len(ordered), 1))
    return dict(zip(found, ranks, strict=True))


make = TableFeatures
