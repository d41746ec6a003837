"""What a run has left in its working directory, read without changing it; and the scores of its trials.

It starts without JAX, so that comparing runs takes no time.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from nas_jax.errors import UserError
from nas_jax.objectives import Objective
from nas_jax.store import read_trials
from nas_jax.trial import CONTENDERS, Trial, freeze


class Record(NamedTuple):
    """What a working directory holds. The mappings are empty where there is no file yet; lists are tuples."""

    workdir: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    trials: list[Trial]
    best: dict[str, Any]  # the metrics of the exported network, and "trial", its id

    def of(self, *stages: str) -> list[Trial]:
        """The trials of some stages, in the order of their ids."""
        return [trial for trial in self.trials if trial.stage in stages]

    def num_examples(self, split: str) -> int | None:
        """The size of a split ("val", "test"), where it is known: from the export, or a number that was asked for."""
        name = f"num_{split}"
        return self.best.get(name) or (self.config.get("data") or {}).get(name) or None

    @property
    def is_table(self) -> bool:
        """Whether nothing was trained: without a data set, metrics can only have been looked up."""
        return not self.config.get("data")


def read_record(workdir: Path) -> Record:
    """Reads a working directory and changes nothing in it.

    Raises:
        UserError: there is no `config.json`, or a file that should be JSON is not.
    """
    if not (workdir / "config.json").exists():
        raise UserError(f"workdir: {str(workdir)!r} has no config.json, so no run was started there")
    return Record(
        workdir,
        config=_read_json(workdir / "config.json"),
        environment=_read_json(workdir / "environment.json"),
        trials=read_trials(workdir / "trials.jsonl"),
        best=_read_json(workdir / "best" / "metrics.json"),
    )


def score(trial: Trial, objective: Objective) -> float:
    """A trial's score; NaN where it has none that is finite."""
    value = math.nan if trial.metrics is None else objective.score(trial.metrics)
    return value if math.isfinite(value) else math.nan


def find_best(trials: Iterable[Trial], objective: Objective) -> Trial | None:
    """The trial with the highest score, the earliest of equals; None if none has a score."""
    scored = [trial for trial in trials if not math.isnan(score(trial, objective))]
    return max(scored, key=lambda trial: score(trial, objective), default=None)


def find_winner(run: Record, objective: Objective) -> Trial | None:
    """The exported trial; before there is one, the best so far of those that may win."""
    exported = [trial for trial in run.trials if trial.id == run.best.get("trial")]
    return exported[0] if exported else find_best(run.of(*CONTENDERS), objective)


def total_seconds(trials: Iterable[Trial], part: str | None = None) -> float:
    """Seconds spent on trials: of one part ("compile", "train"), or of all."""
    spent = [trial.seconds or {} for trial in trials]
    return sum((value for seconds in spent for name, value in seconds.items() if part in (None, name)), 0.0)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, object_hook=lambda section: {name: freeze(value) for name, value in section.items()})
    except json.JSONDecodeError as error:
        raise UserError(f"{str(path)!r} is not valid JSON: {error}") from error
