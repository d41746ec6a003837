"""The runs in results.csv, one a row. Several processes can add to it at the same time."""

import csv
import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

STEPS = (25, 50, 75, 100, 125, 150)


class Label(NamedTuple):
    table: str
    method: str
    batch_size: int
    num_workers: int
    seed: int
    budget: int


class Run(NamedTuple):
    """The best score after each query [budget], and the seconds of the run and of its proposals."""

    label: Label
    best: np.ndarray
    optimum: float  # of the table
    optimum_at: int | None  # the first query that found it
    seconds: float
    proposal_seconds: float


FIELDS = (
    *Label._fields,
    *(f"best_{step}" for step in STEPS),
    *("optimum", "optimum_at", "seconds", "proposal_seconds", "improvements"),
)


def make_run(
    label: Label, scores: Sequence[float], optimum: float, seconds: float, proposal_seconds: float | None = None
) -> Run:
    """Of scores in the order of their queries; a run that has seen the whole space keeps its best."""
    best = np.fmax.accumulate(np.asarray(scores, float))
    best = np.append(best, np.full(label.budget - len(best), best[-1]))
    found = np.flatnonzero(best >= optimum - 1e-9)
    optimum_at = int(found[0]) + 1 if len(found) else None
    return Run(label, best, optimum, optimum_at, seconds, seconds if proposal_seconds is None else proposal_seconds)


def read(path: Path) -> list[Run]:
    return [_from_row(row) for row in csv.DictReader(path.open())] if path.exists() else []


def add(path: Path, run: Run) -> None:
    """Appends a row, and the names of columns to an empty file."""
    with path.open("a", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if file.seek(0, 2) == 0:
            writer.writeheader()
        writer.writerow(_to_row(run))


def _to_row(run: Run) -> dict:
    """`improvements` has the number of each query that found something better, and what: `1:88.2 5:90.1`."""
    places = np.flatnonzero(np.diff(run.best, prepend=-np.inf) > 0)
    return {
        **run.label._asdict(),
        **{f"best_{step}": f"{run.best[step - 1]:.7g}" for step in STEPS if step <= run.label.budget},
        "optimum": f"{run.optimum:.7g}",
        "optimum_at": run.optimum_at,
        "seconds": f"{run.seconds:.2f}",
        "proposal_seconds": f"{run.proposal_seconds:.2f}",
        "improvements": " ".join(f"{place + 1}:{run.best[place]:.7g}" for place in places),
    }


def _from_row(row: dict) -> Run:
    numbers = {name: int(row[name]) for name in Label._fields if name not in ("table", "method")}
    label = Label(table=row["table"], method=row["method"], **numbers)
    best = np.full(label.budget, -np.inf)
    for improvement in row["improvements"].split():
        place, score = improvement.split(":")
        best[int(place) - 1 :] = float(score)
    optimum_at = int(row["optimum_at"]) if row["optimum_at"] else None
    seconds = (float(row[name]) for name in ("seconds", "proposal_seconds"))
    return Run(label, best, float(row["optimum"]), optimum_at, *seconds)
