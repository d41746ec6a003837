"""Looks the metrics of a genome up in a table of what others have measured (a tabular benchmark).

Nothing is trained and nobody waits: seconds are the table's, and workers that run side by side are simulated.
"""

import heapq
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from nas_jax.evaluators.base import Measurement, Report, attempt, ignore
from nas_jax.objectives import is_fraction, is_of_test_split
from nas_jax.spaces.base import NetworkSpace, Space
from nas_jax.spaces.names import BenchmarkSpace
from nas_jax.spaces.rows import comparable
from nas_jax.tables import Table, number, read_table
from nas_jax.trial import Genome, Trial

Row: TypeAlias = Mapping[str, Any]


@runtime_checkable
class TableSpace(Protocol):
    """A space whose genomes are the values of columns of a table."""

    @property
    def gene_names(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Tabular:
    """One row a genome, or several, which are then its seeds; a cell of a JSON table may be a list of seeds as well.

    The seed of a trial picks one of them. A genome without a row, or with a cell that is no number, is a failed trial.

    Args:
        path: A CSV or JSON file, see `nas_jax.tables`.
        metrics: For each metric its column: pairs, a mapping, or names of columns with commas between them, which
            become the metrics' names. An accuracy of a split (`val_accuracy`) is stored as a fraction; a column that
            has a number above 1 for it is in percent. Metrics that begin with "test" are for `test_metrics` only.
        key: Column with the genomes' names: what the space's `benchmark_name` gives or, where it has no such
            method, `describe`.
        genes: Without a `key`, the columns of the genome's values, in their order; those of the space's `gene_names`
            unless given. Numbers are equal if their values are: "16", 16 and 16.0.
        seconds: Column with the seconds that a trial takes, or the seconds of every trial; "" are none.
        num_workers: How many trials run at the same time, by the simulated clock.

    Raises:
        UserError: the table cannot be read, or lacks a column.
        ValueError: no metrics, nothing that identifies a genome, or fewer than one worker.
    """

    space: Space
    path: str
    metrics: Any
    key: str = ""
    genes: tuple[str, ...] = ()
    seconds: str | float = 0.0
    num_workers: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", _pairs(self.metrics))
        object.__setattr__(self, "seconds", self.seconds or 0.0)
        if not self.key and not self.genes and isinstance(self.space, TableSpace):
            object.__setattr__(self, "genes", self.space.gene_names)
        if not self.metric_names:
            raise ValueError("metrics: name a column for at least one metric that is not of the test split")
        if bool(self.key) == bool(self.genes):
            raise ValueError("give one of key (the column of the genomes' names) and genes (a column for each gene)")
        if self.num_workers < 1:
            raise ValueError(f"num_workers has to be at least 1, got {self.num_workers}")
        columns = [column for _, column in self.metrics]
        if leaked := set(columns) & set(self.genes):
            raise ValueError(f"{min(leaked)!r} is a metric and a gene: exclude it from the genes")
        timing = [self.seconds] if isinstance(self.seconds, str) else []
        self._table.check_columns([*(self.genes or [self.key]), *columns, *timing], "evaluator")

    @property
    def metric_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.metrics if not is_of_test_split(name))

    @property
    def _table(self) -> Table:
        return read_table(self.path)

    def measure(self, trial: Trial, report: Report = ignore) -> Measurement:
        """The metrics of the table, and `num_params` and `flops` if the space knows them.

        Raises:
            LookupError: the table has no row for the genome.
            ValueError: a cell is no number.
        """
        cost = self.space.cost(trial.genome)._asdict() if isinstance(self.space, NetworkSpace) else {}
        cells = self._cells(trial)
        metrics = {name: self._value(cells, name, column) for name, column in self.metrics if name in self.metric_names}
        return Measurement({**cost, **metrics}, {"train": self._seconds(cells)})

    def test_metrics(self, trial: Trial) -> dict[str, float]:
        """The metrics of the test split, of the same seed as those of the search; only those that have a number."""
        cells = self._cells(trial)
        columns = {name: column for name, column in self.metrics if is_of_test_split(name)}
        known = [name for name, column in columns.items() if number(cells[column]) is not None]
        return {name: self._value(cells, name, columns[name]) for name in known}

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        """Simulates the workers: pulls while one is free, then yields the trial that ends first, by id among equals.

        A failed trial takes no time.
        """
        clock = 0.0
        running: list[tuple[float, int, Trial]] = []  # a heap: when it ends, id, trial
        while True:
            while len(running) < self.num_workers and (trial := next(requests, None)) is not None:
                ended = attempt(self.measure, trial, report)
                heapq.heappush(running, (clock + (ended.seconds or {}).get("train", 0.0), trial.id, ended))
            if not running:
                return
            clock, _, ended = heapq.heappop(running)
            yield ended

    def _cells(self, trial: Trial) -> Row:
        """The row of a seed of the genome, with one value in place of each list."""
        if self.key:
            rows = _rows_by_name(self.path, self.key).get(self._name(trial.genome))
        else:
            rows = _rows_by_genes(self.path, self.genes).get(tuple(map(comparable, trial.genome)))
        if rows is None:
            raise LookupError(f"{self.path} has no row for it")
        rng = np.random.default_rng(trial.seed)
        row, place = rows[rng.integers(len(rows))], rng.random()
        # One place for all lists: their values at a place belong to the same training.
        return {
            name: cell[int(place * len(cell))] if isinstance(cell, list) and cell else cell
            for name, cell in {**dict.fromkeys(self._table.columns), **row}.items()
        }

    def _name(self, genome: Genome) -> str:
        return (
            self.space.benchmark_name(genome) if isinstance(self.space, BenchmarkSpace) else self.space.describe(genome)
        )

    def _value(self, cells: Row, metric: str, column: str) -> float:
        value = self._number(cells, column)
        return value / 100 if is_fraction(metric) and _is_in_percent(self.path, column) else value

    def _seconds(self, cells: Row) -> float:
        return self._number(cells, self.seconds) if isinstance(self.seconds, str) else self.seconds

    def _number(self, cells: Row, column: str) -> float:
        value = number(cells[column])
        if value is None:
            raise ValueError(f"{self.path} has no number in the column {column!r} of this row, but {cells[column]!r}")
        return value


def _pairs(metrics: Any) -> tuple[tuple[str, str], ...]:
    """Names of metrics with their columns, of any of the forms that `Tabular.metrics` can have."""
    if isinstance(metrics, str):
        metrics = [name.strip() for name in metrics.split(",") if name.strip()]
    items = metrics.items() if isinstance(metrics, Mapping) else metrics
    return tuple((item, item) if isinstance(item, str) else tuple(item) for item in items)


@cache
def _rows_by_name(path: str, key: str) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    for row in read_table(path).rows:
        rows.setdefault(str(row.get(key)), []).append(row)
    return rows


@cache
def _rows_by_genes(path: str, genes: tuple[str, ...]) -> dict[tuple[Any, ...], list[Row]]:
    rows: dict[tuple[Any, ...], list[Row]] = {}
    for row in read_table(path).rows:
        rows.setdefault(tuple(comparable(row.get(gene)) for gene in genes), []).append(row)
    return rows


@cache
def _is_in_percent(path: str, column: str) -> bool:
    cells = (row.get(column) for row in read_table(path).rows)
    values = (number(value) for cell in cells for value in (cell if isinstance(cell, list) else [cell]))
    return any(value is not None and value > 1 for value in values)


make = Tabular
