"""The runs in results.csv, one a row. Several processes can add to it at the same time."""

import csv
import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nas_jax.tables import name_of as metric_of

__all__ = ["COSTS", "FIELDS", "Label", "Run", "add", "metric_of", "read"]
COSTS = (5.0, 10.0, 20.0, 50.0)  # full trainings at which the regret is kept


class Label(NamedTuple):
    table: str
    method: str
    seed: int
    max_cost: float


class Run(NamedTuple):
    label: Label
    regrets: Sequence[float]  # at those of `COSTS` that the run could spend
    num_trials: int
    seconds: float


FIELDS = (*Label._fields, *(f"regret_{cost:g}" for cost in COSTS), "num_trials", "seconds")


def read(path: Path) -> list[Run]:
    return [_from_row(row) for row in csv.DictReader(path.open())] if path.exists() else []


def add(path: Path, run: Run) -> None:
    """Appends a row, and the names of columns to an empty file."""
    with path.open("a", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if file.seek(0, 2) == 0:
            writer.writeheader()
        regrets = {f"regret_{cost:g}": f"{regret:.5g}" for cost, regret in zip(COSTS, run.regrets, strict=False)}
        label = {**run.label._asdict(), "max_cost": f"{run.label.max_cost:g}"}
        writer.writerow({**label, **regrets, "num_trials": run.num_trials, "seconds": f"{run.seconds:.2f}"})


def _from_row(row: dict[str, str]) -> Run:
    label = Label(row["table"], row["method"], int(row["seed"]), float(row["max_cost"]))
    regrets = [float(row[f"regret_{cost:g}"]) for cost in COSTS if row[f"regret_{cost:g}"]]
    return Run(label, regrets, int(row["num_trials"]), float(row["seconds"]))
