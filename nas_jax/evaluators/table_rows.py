"""The rows of a table that is looked up: by the genome that they are of, and what numbers their cells hold."""

from collections import Counter
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, TypeAlias

from nas_jax.spaces.columns import read_column, text_of
from nas_jax.tables import Table, number

_MAX_CHOICES = 20  # of a column that may be a gene

Row: TypeAlias = Mapping[str, Any]


@cache
def rows_by_name(table: Table, key: str) -> dict[str, list[Row]]:
    """The rows by the text of the column `key`: one for each seed of a genome."""
    rows: dict[str, list[Row]] = {}
    for row in table.rows:
        rows.setdefault(text_of(row.get(key)), []).append(row)
    return rows


@cache
def rows_by_keys(table: Table, genes: tuple[str, ...]) -> dict[tuple[Hashable, ...], list[Row]]:
    """The rows by what tells the values of the genes apart."""
    rows: dict[tuple[Hashable, ...], list[Row]] = {}
    columns = [read_column(table, gene).keys for gene in genes]
    for keys, row in zip(zip(*columns, strict=True), table.rows, strict=True):
        rows.setdefault(keys, []).append(row)
    return rows


def num_merged(table: Table, genes: tuple[str, ...], column: str) -> int:
    """How many genomes have rows with different values in a column that looks like one more gene.

    It has few values, of which each stands in two rows or more, as the choices of a gene do. Of any other column none.
    """
    places = Counter(read_column(table, column).keys)
    if len(places) > _MAX_CHOICES or min(places.values()) < 2:
        return 0
    merged = rows_by_keys(table, genes).values()
    return sum(len({text_of(row.get(column)) for row in rows}) > 1 for rows in merged)


@cache
def numbers_of(table: Table, column: str) -> tuple[tuple[float | None, ...], ...]:
    """The numbers of each row, of which a cell with a list has several."""
    cells = (row.get(column) for row in table.rows)
    return tuple([tuple(map(number, cell)) if isinstance(cell, list) else (number(cell),) for cell in cells])


def gaps(table: Table, column: str) -> list[int]:
    """The rows that have no number in a column."""
    return [place for place, values in enumerate(numbers_of(table, column)) if None in values or not values]


@cache
def is_in_percent(table: Table, column: str) -> bool:
    """Whether a column of accuracies has any above 1."""
    return any(value is not None and value > 1 for values in numbers_of(table, column) for value in values)


def named_columns(metrics: Any, besides: str) -> tuple[tuple[str, str], ...]:
    """Names of metrics with their columns, of any of the forms that `Tabular.metrics` can have; without one metric.

    Raises:
        ValueError: it has none of these forms.
    """
    if isinstance(metrics, str):
        metrics = [name.strip() for name in metrics.split(",") if name.strip()]
    items = list(metrics.items()) if isinstance(metrics, Mapping) else metrics
    pairs: list[tuple[str, str]] = []
    for item in items if isinstance(items, list | tuple) else [items]:
        pair = (item, item) if isinstance(item, str) else item
        if not isinstance(pair, list | tuple) or [type(part) for part in pair] != [str, str]:
            raise ValueError(f"metrics: names of columns are wanted, or pairs (name, column), not {pair!r}")
        pairs.append((pair[0], pair[1]))
    return tuple(pair for pair in pairs if pair[0] != besides)
