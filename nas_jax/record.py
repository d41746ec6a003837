"""What a run has left in its working directory, read without changing it; and the values of its trials.

It starts without JAX, so that comparing runs takes no time.
"""

import contextlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nas_jax.best_file import metrics_of, read_best
from nas_jax.errors import UserError
from nas_jax.json_files import read_json
from nas_jax.objectives import Objective, Objectives, epochs_spent, without_failed_later
from nas_jax.stated import objectives_of
from nas_jax.store import FORMAT, read_trials
from nas_jax.trial import CONTENDERS, Trial

NOTES = "notes.txt"  # what was to be known at the start, a note a line

# The types of the fields that are read.
ENVIRONMENT_HINTS: dict[str, Any] = {
    "versions": dict[str, str | None],
    "devices": list[str],
    "later": list[dict[str, Any]],
    "command": str,
    "git_revision": str | None,
}


class Record(NamedTuple):
    """What a working directory holds. The mappings are empty where there is no file yet; lists are tuples."""

    workdir: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    trials: list[Trial]
    best: dict[str, Any]  # what `best/metrics.json` holds, see `nas_jax.best_file`
    notes: tuple[str, ...] = ()  # what a person should have known before it began
    is_search_over: bool = False  # whether it ended since its strategy had no more trials that it could afford

    def of(self, *stages: str) -> list[Trial]:
        """The trials of some stages, in the order of their ids."""
        return [trial for trial in self.trials if trial.stage in stages]

    def num_examples(self, split: str) -> int | None:
        """The size of a split ("val", "test"), where it is known: from the export, or a number that was asked for."""
        name = f"num_{split}"
        return self.best.get(name) or (self.config.get("data") or {}).get(name) or None

    @property
    def objectives(self) -> Objectives:
        """What the search maximised, as the config has it."""
        try:
            return objectives_of(self.config)
        except UserError as error:
            raise UserError(f"{str(self.workdir / 'config.json')!r} is damaged: {error}") from error

    @property
    def commands(self) -> tuple[str, ...]:
        """By which the run was started and went on, each once; none where that is not known."""
        starts = (self.environment, *self.environment.get("later", ()))
        return tuple(dict.fromkeys(start["command"] for start in starts if start.get("command")))

    @property
    def exported_metrics(self) -> dict[str, Any]:
        """The metrics of the exported trial, those of the test split too; empty where nothing was exported."""
        trials = [trial for trial in self.trials if trial.id == self.best.get("trial")]
        return {**((trials and trials[0].metrics) or {}), **metrics_of(self.best)}

    @property
    def is_table(self) -> bool:
        """Whether nothing was trained: without a data set, metrics can only have been looked up."""
        return not self.config.get("data")


def read_record(workdir: Path) -> Record:
    """Reads a working directory and changes nothing in it.

    Raises:
        UserError: no run was started there, another version of nas_jax wrote it, or a file that should be JSON is not.
    """
    for name in ("config.json", "environment.json"):
        if not (workdir / name).exists():
            raise UserError(f"workdir: {str(workdir)!r} has no {name}, so no run was started there")
    environment = _tupled(read_json(workdir / "environment.json", ENVIRONMENT_HINTS))
    check_format(workdir, environment)
    config = _tupled(read_json(workdir / "config.json"))
    trials = read_trials(workdir / "trials.jsonl")
    return Record(
        workdir,
        config=config,
        environment=environment,
        trials=trials,
        best=_tupled(read_best(workdir / "best", _metrics_in(config))),
        notes=_read_notes(workdir / NOTES),
        is_search_over=_is_search_over(workdir / "diagnostics.jsonl", trials),
    )


def _is_search_over(path: Path, trials: Sequence[Trial]) -> bool:
    """Whether of the last proposals, which `nas_jax.diagnostics` noted, there were none or not all became trials."""
    searched = [trial for trial in trials if trial.stage == "search"]
    if any(trial.status == "pending" for trial in searched) or not path.exists():
        return False
    for line in reversed(path.read_bytes().splitlines()):
        with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError):  # a torn line, or a damaged one
            last = json.loads(line)
            return not last["proposals"] or last["position"] + len(last["proposals"]) > len(searched)
    return False


def _metrics_in(config: Mapping[str, Any]) -> list[str]:
    """The metrics of the objectives of a config, as far as it names any."""
    try:
        return list(objectives_of(config).needed)
    except UserError:
        return []


def check_workdir(workdir: Path) -> None:
    """As `check_format`, of a working directory that may be new.

    Raises:
        UserError: another version of nas_jax wrote it.
    """
    if (workdir / "environment.json").exists():
        check_format(workdir, read_json(workdir / "environment.json", ENVIRONMENT_HINTS))


def check_format(workdir: Path, environment: Mapping[str, Any]) -> None:
    """Refuses files that this version would misread.

    Args:
        environment: what `environment.json` holds: the `format` of all files in `workdir`, and what wrote them.

    Raises:
        UserError: with the version that can read them.
    """
    if environment.get("format") == FORMAT:
        return
    version = (environment.get("versions") or {}).get("nas_jax") or environment.get("nas_jax")
    revision = environment.get("git_revision")
    raise UserError(
        f"workdir: {str(workdir)!r} was written by {f'nas_jax {version}' if version else 'another version of nas_jax'} "
        f"(revision {revision or 'unknown'}), whose logs this version does not read; check out that revision, or run "
        "again in another --workdir"
    )


def score(trial: Trial, objective: Objective) -> float:
    """A trial's value; NaN where it has none that is finite."""
    value = objective.finite_value(trial)
    return math.nan if value is None else value


def is_in_full(trials: Sequence[Trial]) -> list[bool]:
    """Of each trial whether its value can be compared: it has the largest budget of all that have metrics.

    A trial without metrics says so too. Of trials that continue each other one at most has the largest budget, so that
    an architecture counts once: by its failure, where it failed with a larger budget than it was measured with.
    """
    failed = [trial for trial in trials if trial.metrics is None and trial.status == "failed"]
    measured = without_failed_later([trial for trial in trials if trial.metrics is not None], failed)
    largest = max(map(epochs_spent, measured), default=0.0)
    compared = {trial.id for trial in measured if epochs_spent(trial) == largest}
    return [trial.metrics is None or trial.id in compared for trial in trials]


def in_full(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that `is_in_full`."""
    return [trial for trial, is_whole in zip(trials, is_in_full(trials), strict=True) if is_whole]


def find_best(trials: Iterable[Trial], objectives: Objectives) -> Trial | None:
    """The first trial of the front, which of one objective is the best; None if none has values."""
    return next(iter(objectives.front(trials)), None)


def find_winner(record: Record, objectives: Objectives) -> Trial | None:
    """The exported trial; before there is one, the best so far of those that may win."""
    exported = [trial for trial in record.trials if trial.id == record.best.get("trial")]
    return exported[0] if exported else find_best(record.of(*CONTENDERS), objectives)


def metrics_of_split(metrics: Mapping[str, Any], split: str) -> list[str]:
    """The names of what was measured on a split ("val", "test"), but for errors and lists over seeds."""
    return [
        name
        for name, value in metrics.items()
        if name.startswith(f"{split}_") and isinstance(value, int | float) and not name.endswith("_std_error")
    ]


def on_test_split(metric: str, known: Iterable[str]) -> str | None:
    """The metric of the test split that corresponds to one of the search, `test_rmse` to `val_rmse`; None without."""
    own = f"test_{metric.removeprefix('val_')}"
    return own if own in known else None


def total_seconds(trials: Iterable[Trial], part: str | None = None) -> float:
    """Seconds spent on trials: of one part ("compile", "train"), or of all."""
    spent = [trial.seconds or {} for trial in trials]
    return sum((value for seconds in spent for name, value in seconds.items() if part in (None, name)), 0.0)


def _read_notes(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8", errors="replace").splitlines()) if path.exists() else ()


def _tupled(section: dict[str, Any]) -> dict[str, Any]:
    """With tuples for lists, as parts have them, at any depth."""
    return {name: _tupled(value) if isinstance(value, dict) else _frozen(value) for name, value in section.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tupled(each) if isinstance(each, dict) else _frozen(each) for each in value)
    return value
