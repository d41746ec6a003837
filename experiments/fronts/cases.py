"""The questions: what is searched for on NAS-Bench-201, and what a run has found by then."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas_jax.fronts import hypervolume

MARKS = (25, 50, 100, 150)
COLUMNS = {
    "val_accuracy": "val_accuracy_200",
    "energy": "edgegpu_energy_mj",
    "latency": "edgegpu_latency_ms",
    "num_params": "params",
}
SIGNS = {"val_accuracy": 1, "energy": -1, "num_params": -1}
REFERENCE = {"val_accuracy": 80.0, "energy": 60.0, "num_params": 1_600_000.0}
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
QUANTILE = 0.25  # of the latencies of all cells, which the constrained case has to keep


class Case(NamedTuple):
    """Objectives by metric, and whether the latency is limited."""

    objectives: tuple[str, ...]
    is_limited: bool = False


CASES = {
    "energy": Case(("val_accuracy", "energy")),
    "three": Case(("val_accuracy", "energy", "num_params")),
    "latency": Case(("val_accuracy",), is_limited=True),
}


class Cells(NamedTuple):
    """All cells: their strings, the operations of their edges, and each metric by its name."""

    names: list[str]
    operations: list[tuple[str, ...]]
    metrics: dict[str, np.ndarray]

    @property
    def limit(self) -> float:
        return float(np.quantile(self.metrics["latency"], QUANTILE))

    def values(self, case: Case) -> np.ndarray:
        """Signed metrics `[cells, k]`, higher is better."""
        return np.stack([SIGNS[name] * self.metrics[name] for name in case.objectives], axis=1)

    def curve(self, case: Case, rows: Sequence[int]) -> list[float]:
        """What was found at each of MARKS: a share of the hypervolume of all cells, or the best accuracy allowed."""
        values = self.values(case)
        if case.is_limited:
            is_kept = self.metrics["latency"] <= self.limit
            return [max((values[row, 0] for row in rows[:num] if is_kept[row]), default=np.nan) for num in MARKS]
        reference = np.array([SIGNS[name] * REFERENCE[name] for name in case.objectives])
        whole = hypervolume(values, reference)
        return [hypervolume(values[list(rows[:num])], reference) / whole for num in MARKS]


def read_cells(path: Path) -> Cells:
    """Reads the table."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [row["architecture"] for row in rows]
    metrics = {name: np.array([float(row[column]) for row in rows]) for name, column in COLUMNS.items()}
    return Cells(names, [tuple(re.findall(r"(\w+)~\d", name)) for name in names], metrics)


def write_operations(cells: Cells, path: Path) -> None:
    """The table with a column an edge, for the space `categorical`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["architecture", *(f"edge{place}" for place in range(6)), *COLUMNS])
        for name, operations, *values in zip(cells.names, cells.operations, *cells.metrics.values(), strict=True):
            writer.writerow([name, *operations, *map(repr, map(float, values))])


def config_of(case: Case, space: str, table: Path, operations: Path, limit: float) -> dict[str, Any]:
    """Sections of a config that ask this question; of its own space the parameters are known."""
    metrics = {name: COLUMNS[name] for name in COLUMNS if name != "num_params"}
    objectives = tuple(
        {
            "metric": name,
            "maximize": SIGNS[name] > 0,
            "reference": REFERENCE[name] / (100 if name == "val_accuracy" else 1),
        }
        for name in case.objectives
    )
    constraints = ({"metric": "latency", "at_most": limit},) if case.is_limited else ()
    sections: dict[str, Any] = {"objectives": objectives, "constraints": constraints}
    if space == "own":
        own = {"name": "nb201", "image_shape": (32, 32, 3), "num_outputs": 10}
        looked_up = {"name": "tabular", "path": str(table), "key": "architecture", "metrics": metrics}
        return {**sections, "space": own, "evaluator": looked_up}
    genes = ",".join(f"edge{place}" for place in range(6))
    metrics = {name: name for name in COLUMNS}
    return {
        **sections,
        "space": {"name": "categorical", "path": str(operations), "genes": genes},
        "evaluator": {"name": "tabular", "path": str(operations), "metrics": metrics},
    }
