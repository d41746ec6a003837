"""Looks the metrics of a genome up in a table of what others have measured (a tabular benchmark).

Nothing is trained and nobody waits: seconds are the table's, and workers that run side by side are simulated.
"""

import heapq
import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from nas_jax.budgets import Budgets
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Measurement, Report, attempt, ignore
from nas_jax.evaluators.table_curves import TableCurve, curve_of
from nas_jax.evaluators.table_rows import (
    Row,
    gaps,
    is_in_percent,
    named_columns,
    num_merged,
    numbers_of,
    rows_by_keys,
    rows_by_name,
)
from nas_jax.metrics import CURVE, check_name, is_accuracy, is_of_test_split
from nas_jax.spaces.base import NetworkSpace, Space
from nas_jax.spaces.columns import read_column, text_of
from nas_jax.spaces.names import BenchmarkSpace
from nas_jax.tables import Table, name_of, number, read_table
from nas_jax.trial import Genome, Trial


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
        path: A table's file, see `nas_jax.tables`.
        metrics: For each metric its column: pairs, a mapping, or names of columns with commas between them, which
            become the metrics' names. An accuracy of a split (`val_accuracy`) is stored as a fraction; a column that
            has a number above 1 for it is in percent. Metrics that begin with "test" are for `test_metrics` only.
        key: Column with the genomes' names: what the space's `benchmark_name` gives or, where it has no such
            method, `describe`.
        genes: Without a `key`, the columns of the genome's values, in their order; those of the space's `gene_names`
            unless given. In a column of numbers those of equal value are equal: "16", 16 and 16.0; see
            `nas_jax.spaces.columns`.
        seconds: Column with the seconds that a trial takes, or the seconds of every trial; "" are none.
        num_workers: How many trials run at the same time, by the simulated clock.
        curve: Columns of a learning curve, `val_loss_{}`, where `{}` stands for the budget; it is a metric of the name
            "val_loss". A trial has the value at its budget and, in the metric "curve", those at all budgets up to
            its own; it has failed if one of them is no number, since the training diverged. `seconds` are those of the
            whole training, of which a budget takes its share; without them the clock counts whole trainings. Other
            metrics are taken as known at every budget, as the number of parameters is: name none there that only the
            whole training gives, which the search would then see too early.

    Raises:
        UserError: the table cannot be read, lacks a column, has no number at all where a metric should be, or negative
            seconds.
        ValueError: no metrics, or one named "curve", nothing that identifies a genome, fewer than one worker, or
            seconds that cannot be.
    """

    space: Space
    path: str
    metrics: Any = ()
    key: str = ""
    genes: tuple[str, ...] = ()
    seconds: str | float = 0.0
    num_workers: int = 1
    curve: str = ""
    table: Table = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", named_columns(self.metrics, besides=name_of(self.curve)))
        object.__setattr__(self, "seconds", self.seconds or 0.0)
        if not self.key and not self.genes and isinstance(self.space, TableSpace):
            object.__setattr__(self, "genes", self.space.gene_names)
        if not self.metric_names:
            raise ValueError(
                "metrics: name a column for at least one metric that is not of the test split, or a curve: val_loss_{}"
            )
        for name in self.metric_names:
            check_name(name, "metrics" if name in dict(self.metrics) else "curve")
        if bool(self.key) == bool(self.genes):
            raise ValueError("give one of key (the column of the genomes' names) and genes (a column for each gene)")
        if self.num_workers < 1:
            raise ValueError(f"num_workers has to be at least 1, got {self.num_workers}")
        if not isinstance(self.seconds, str) and not 0 <= self.seconds < math.inf:
            raise ValueError(f"seconds: has to be finite and not negative, or name a column, but is {self.seconds}")
        object.__setattr__(self, "table", read_table(self.path, is_all_needed=False))
        columns = {column for _, column in self.metrics}
        of_curve = [*self.table.numbered(self.curve).values()] if self.curve else []
        if leaked := columns.union(of_curve) & set(self.genes):
            raise ValueError(f"{min(leaked)!r} is a metric and a gene: exclude it from the genes")
        self.table.check_columns([*(self.genes or [self.key]), *self._numbers, *of_curve], "evaluator")
        needed = [column for name, column in self.metrics if not is_of_test_split(name)]
        for column in (*needed, *self._timing, *(self._curve.columns if self._curve else ())):
            if not any(value is not None for values in numbers_of(self.table, column) for value in values):
                raise UserError(
                    f"evaluator: the column {column!r} of {self.path} has no number; its first cell is "
                    f"{self.table.rows[0].get(column)!r}, and a number is written as 1234.5"
                )

        for column in self._timing:
            for place, values in enumerate(numbers_of(self.table, column)):
                if negative := [value for value in values if value is not None and value < 0]:
                    raise UserError(
                        f"evaluator: the column {column!r} of {self.path} has {negative[0]} seconds in "
                        f"{self.table.place(place)}; correct it, or name no column: --config.evaluator.seconds="
                    )

    @property
    def metric_names(self) -> tuple[str, ...]:
        names = (*([name_of(self.curve)] if self.curve else []), *(name for name, _ in self.metrics))
        return tuple(name for name in names if not is_of_test_split(name))

    @property
    def budgets(self) -> Budgets:
        """Those of the curve; of a table without one the whole training."""
        return self._curve.budgets if self._curve else Budgets((1,))

    @property
    def from_percent(self) -> Mapping[str, str]:
        """The columns of accuracies in percent, by the metrics that become fractions; of a curve its pattern."""
        found = {
            name: column for name, column in self.metrics if is_accuracy(name) and is_in_percent(self.table, column)
        }
        return found | ({self._curve.metric: self.curve} if self._curve and self._is_in_percent(self._curve) else {})

    def columns_of(self, metric: str) -> tuple[str, ...]:
        """Those in which a metric is looked up; none of one that the space knows."""
        if self._curve and metric == self._curve.metric:
            return self._curve.columns
        return tuple(column for name, column in self.metrics if name == metric)

    @property
    def _curve(self) -> TableCurve | None:
        return curve_of(self.table, self.curve) if self.curve else None

    @property
    def digests(self) -> Mapping[str, str]:
        """The SHA-256 of the table, by the field that names it."""
        return {"path": self.table.digest}

    @property
    def notes(self) -> tuple[str, ...]:
        """What the table's file has to say, rows without numbers, and metrics that look like genes."""
        notes = list(self.table.notes)
        for column in dict.fromkeys(self._numbers):
            if lacking := gaps(self.table, column):
                first, what = lacking[0], text_of(self.table.rows[lacking[0]].get(column))
                notes.append(
                    f"{self.path}: the column {column!r} has no number in {len(lacking)} of {len(self.table.rows)} "
                    f"rows, first {what!r} in {self.table.place(first)}"
                )
        for name, column in self.metrics:
            if num := 0 if self.key or is_of_test_split(name) else num_merged(self.table, self.genes, column):
                notes.append(
                    f"{self.path}: the metric {column!r} is no gene, so rows that differ in it alone are seeds of one "
                    f"genome, in {num} genomes; if it is a choice, leave it out of objectives and constraints"
                )
        if self._curve:
            diverged = {row for column in self._curve.columns for row in gaps(self.table, column)}
            if diverged:
                notes.append(
                    f"{self.path}: in {len(diverged)} of {len(self.table.rows)} rows the curve {self.curve!r} is no "
                    "number somewhere: these trainings diverged, and fail from there on"
                )
        return tuple(notes)

    @property
    def _timing(self) -> list[str]:
        return [self.seconds] if isinstance(self.seconds, str) else []

    @property
    def _numbers(self) -> list[str]:
        """The columns that have to be numbers."""
        return [*(column for _, column in self.metrics), *self._timing]

    def measure(self, trial: Trial, report: Report = ignore) -> Measurement:
        """The metrics of the table, and `num_params` and `flops` if the space knows them.

        Seconds of a trial that continues another one are those of what it adds.

        Raises:
            LookupError: the table has no row for the genome.
            FloatingPointError: the training has diverged before its budget.
            ValueError: a cell is no number.
        """
        known = self.space.cost(trial.genome)._asdict() if isinstance(self.space, NetworkSpace) else {}
        cells = self._cells(trial)
        curve = self._curve_metrics(self._curve, cells, trial) if self._curve else {}
        listed = [(name, column) for name, column in self.metrics if not is_of_test_split(name)]
        metrics = {name: self._value(cells, name, column) for name, column in listed}
        return Measurement({**known, **curve, **metrics}, {"train": self._cost(trial) * self._seconds(cells)})

    def _cost(self, trial: Trial) -> float:
        return self.budgets.cost(trial.budget, trial.start)

    def _curve_metrics(self, curve: TableCurve, cells: Row, trial: Trial) -> dict[str, Any]:
        columns = curve.up_to(trial.budget)
        numbers = [number(cells[column]) for column in columns]
        if None in numbers:
            raise FloatingPointError(f"{self.path} has no number in {columns[numbers.index(None)]!r}: it has diverged")
        values = [value / 100 if self._is_in_percent(curve) else value for value in numbers if value is not None]
        return {curve.metric: values[-1], CURVE: {curve.metric: values}}

    def _is_in_percent(self, curve: TableCurve) -> bool:
        return is_accuracy(curve.metric) and any(is_in_percent(self.table, column) for column in curve.columns)

    def test_metrics(self, trial: Trial) -> dict[str, float]:
        """The metrics of the test split, of the same seed as those of the search; only those that have a number."""
        cells = self._cells(trial)
        columns = {name: column for name, column in self.metrics if is_of_test_split(name)}
        known = [name for name, column in columns.items() if number(cells[column]) is not None]
        return {name: self._value(cells, name, columns[name]) for name in known}

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        """Simulates the workers: pulls while one is free, then yields the trial that ends first, by id among equals.

        A trial without a row takes no time; one that diverges takes that of its budget, if none are in the table.
        """
        clock = 0.0
        running: list[tuple[float, int, Trial]] = []  # a heap: when it ends, id, trial
        while True:
            while len(running) < self.num_workers and (trial := next(requests, None)) is not None:
                ended = attempt(self.measure, trial, report)
                heapq.heappush(running, (clock + self._duration(ended), trial.id, ended))
            if not running:
                return
            clock, _, ended = heapq.heappop(running)
            yield ended

    def _duration(self, ended: Trial) -> float:
        """By the simulated clock: seconds or, of a table with a curve that has none, whole trainings."""
        if self.curve and not self.seconds and ended.failure in (None, "non_finite"):
            return self._cost(ended)
        return (ended.seconds or {}).get("train", 0.0)

    def rows(self, genome: Genome) -> list[Row]:
        """Those of the table for the genome, one for each seed.

        Raises:
            LookupError: there is none.
        """
        if self.key:
            rows = rows_by_name(self.table, self.key).get(self._name(genome))
        else:
            columns = [read_column(self.table, gene) for gene in self.genes]
            keys = tuple(column.key(value) for column, value in zip(columns, genome, strict=True))
            rows = rows_by_keys(self.table, self.genes).get(keys)
        if rows is None:
            raise LookupError(f"{self.path} has no row for it")
        return rows

    def _cells(self, trial: Trial) -> Row:
        """The row of a seed of the genome, with one value in place of each list."""
        rows = self.rows(trial.genome)
        rng = np.random.default_rng(trial.seed)
        row, place = rows[rng.integers(len(rows))], rng.random()
        # One place for all lists: their values at a place belong to the same training.
        return {
            name: cell[int(place * len(cell))] if isinstance(cell, list) and cell else cell
            for name, cell in {**dict.fromkeys(self.table.columns), **row}.items()
        }

    def _name(self, genome: Genome) -> str:
        return (
            self.space.benchmark_name(genome) if isinstance(self.space, BenchmarkSpace) else self.space.describe(genome)
        )

    def _value(self, cells: Row, metric: str, column: str) -> float:
        value = self._number(cells, column)
        return value / 100 if is_accuracy(metric) and is_in_percent(self.table, column) else value

    def _seconds(self, cells: Row) -> float:
        return self._number(cells, self.seconds) if isinstance(self.seconds, str) else self.seconds

    def _number(self, cells: Row, column: str) -> float:
        value = number(cells[column])
        if value is None:
            raise ValueError(f"{self.path} has no number in the column {column!r} of this row, but {cells[column]!r}")
        return value


make = Tabular
