"""The front of a run as files that other programs read: `front.csv`, `hypervolume.csv` and `reference.json`."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nas_jax.fronts import hypervolume
from nas_jax.metrics import name_beside
from nas_jax.objectives import Objectives
from nas_jax.trial import Trial

FRONT, VOLUMES, REFERENCE = "front.csv", "hypervolume.csv", "reference.json"
_ABOUT = ("trial", "stage", "description", "genome")  # columns that are no metrics


def hypervolumes(objectives: Objectives, searched: Sequence[Trial]) -> list[tuple[Trial, float]]:
    """The trials of a search that have ended, in their order, each with the hypervolume of the front until then.

    All of them are counted from one reference, that of the search as a whole. What is infeasible, failed (with a larger
    budget, too) or was measured with less than the largest budget adds nothing.
    """
    reference = objectives.reference(objectives.history(searched))
    compared = objectives.comparable(searched)
    counting = {trial.id: values for trial, values in compared if objectives.is_feasible(trial)}
    found: list[tuple[Trial, float]] = []
    front = np.zeros((0, len(objectives)))
    for trial in sorted(searched, key=lambda trial: trial.id):
        if trial.status == "pending":
            continue
        values = counting.get(trial.id)
        if values is not None and not (front >= values).all(axis=1).any():
            front = np.vstack([front[~(values >= front).all(axis=1)], values])
        found.append((trial, hypervolume(front, reference)))
    return found


def write_hypervolumes(workdir: Path, objectives: Objectives, searched: Sequence[Trial]) -> None:
    """Writes `hypervolume.csv`, a row a trial of the search, and `reference.json`: from which metrics it is counted."""
    rows = [(trial.id, repr(volume)) for trial, volume in hypervolumes(objectives, searched)]
    _write_rows(workdir / VOLUMES, ("trial", "hypervolume"), rows)
    reference = objectives.reference(objectives.history(searched))
    signed = zip(objectives, reference.tolist(), strict=True)
    record = {
        "reference": {each.metric: each.sign * value for each, value in signed},
        "given": [each.metric for each in objectives if each.reference is not None],
    }
    _replace(workdir / REFERENCE, json.dumps(record, indent=2) + "\n")


def write_front(workdir: Path, objectives: Objectives, trials: Sequence[Trial]) -> None:
    """Writes `front.csv`: a row a point of the front of these trials, by the first objective, the best one first."""
    metrics = objectives.needed
    front = sorted(objectives.front(trials), key=lambda trial: -objectives.each[0].value(trial.metrics or {}))
    rows = [
        (
            trial.id,
            trial.stage,
            trial.description,
            json.dumps(trial.genome),
            *(repr((trial.metrics or {})[m]) for m in metrics),
        )
        for trial in front
    ]
    _write_rows(workdir / FRONT, (*_ABOUT, *(name_beside(_ABOUT, metric) for metric in metrics)), rows)


def read_front(workdir: Path) -> list[dict[str, str]]:
    """The rows of `front.csv` by the names of its columns; none where there is one objective."""
    path = workdir / FRONT
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [dict(row) for row in csv.DictReader(file)]


def _write_rows(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    partial.replace(path)


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
