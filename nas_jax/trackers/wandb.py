"""Weights & Biases: a search is one run there, a trial one step of it, and all trials are a table at the end.

What W&B has been told is in `wandb/told.json` of the working directory, written before it is told. Its own process
takes a moment to store a step: a run that is killed may lack its last one in the charts, but never has one twice. The
table at the end has every trial.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas_jax.metrics import with_metrics_beside
from nas_jax.store import read_trials
from nas_jax.trackers.base import (
    Ended,
    Held,
    TrackedRun,
    budget_of,
    check_installed,
    curves,
    flatten,
    genes_of,
    numbers,
)
from nas_jax.trial import Trial

_START_SECONDS = 30.0  # W&B may take to begin a run
_END_SECONDS = 120.0  # and to send the rest of it; what is late is on the disk, for `wandb sync`


@dataclass(frozen=True)
class WandB:
    """Logs to Weights & Biases.

    Args:
        project: Where the run goes.
        entity: A user or a team; "" for your own.
        mode: "online", or "offline": `wandb sync` sends it later. "" for what WANDB_MODE says, or else online.

    Raises:
        ValueError: an unknown mode, or wandb is not installed.
    """

    project: str = "nas_jax"
    entity: str = ""
    mode: str = ""

    def __post_init__(self) -> None:
        if self.mode not in ("", "online", "offline"):
            raise ValueError(f"mode={self.mode!r}: choose from online, offline")
        check_installed("wandb")

    def begin(self, run: TrackedRun) -> "_Writer":
        return _Writer(self, run)


class _Writer:
    def __init__(self, settings: WandB, run: TrackedRun) -> None:
        import wandb

        self._run = run
        self._path = run.workdir / "wandb" / "told.json"
        told = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._trials: list[int] = told.get("trials", [])
        self.held = Held(frozenset(self._trials), is_complete=told.get("is_complete", False))
        self._quality: Mapping[str, float] = {}
        self._wandb, self._settings = wandb, settings
        self._wandb_run: Any = None if self.held.is_complete else self._opened()

    def _opened(self) -> Any:
        """The run at W&B, which may have been begun before."""
        return self._wandb.init(
            project=self._settings.project,
            entity=self._settings.entity or None,
            mode=self._settings.mode or None,
            id=self._run.id,
            name=self._run.title,
            dir=self._run.workdir,
            config=dict(self._run.config),
            resume="allow",
            settings=self._wandb.Settings(
                console="off",  # the display is for the terminal
                silent=True,
                init_timeout=_START_SECONDS,
                finish_timeout=_END_SECONDS,
                finish_timeout_raises=True,
            ),
        )

    def trial(self, ended: Ended) -> None:
        trial = ended.trial
        self._wandb_run = self._wandb_run or self._opened()
        self._trials.append(trial.id)
        self._save(is_complete=False)
        about: dict[str, Any] = {"trial": trial.id, "position": ended.position, "failed": trial.status == "failed"}
        about |= budget_of(trial)
        about |= {f"{part}_seconds": value for part, value in (trial.seconds or {}).items()}
        row = with_metrics_beside({**about, **ended.so_far}, {**(trial.metrics or {}), **ended.points})
        row = {**numbers(row), **{f"gene: {name}": value for name, value in ended.genes.items()}}
        step = {f"{trial.stage}/{name}": value for name, value in row.items()}
        step |= {f"surrogate/{name}": value for name, value in numbers(self._quality).items()}
        self._quality = {}
        self._wandb_run.log(step, step=len(self._trials), commit=True)

    def round(self, position: int, quality: Mapping[str, float]) -> None:
        self._quality = quality  # a step is written once: it goes with the next trial

    def end(self, metrics: Mapping[str, Any], front: Sequence[Mapping[str, str]]) -> None:
        trials = [trial for trial in read_trials(self._run.workdir / "trials.jsonl") if trial.status != "pending"]
        places = {int(row["trial"]): place for place, row in enumerate(front)}
        chosen = sorted((trial for trial in trials if trial.id in places), key=lambda trial: places[trial.id])
        tables = {
            "trials": [self._row_of(trial) for trial in trials],
            "front": [self._row_of(trial) for trial in chosen],
            "curves": [row for trial in trials for row in _curve_rows(trial)],
        }
        self._wandb_run.log({name: self._table(rows) for name, rows in tables.items() if rows})
        winner = {f"winner/{name}": value for name, value in numbers(flatten(metrics)).items()}
        self._wandb_run.summary.update(winner)
        self._save(is_complete=True)  # last: an end that fails is told again

    def close(self) -> None:
        if self._wandb_run is not None:
            self._wandb_run.finish()

    def _save(self, *, is_complete: bool) -> None:
        self._path.parent.mkdir(exist_ok=True)
        partial = self._path.with_name("told.json.partial")
        partial.write_text(json.dumps({"trials": self._trials, "is_complete": is_complete}))
        partial.replace(self._path)

    def _row_of(self, trial: Trial) -> dict[str, Any]:
        genes = {f"gene: {name}": value for name, value in genes_of(self._run.space, trial.genome).items()}
        about: dict[str, Any] = {
            "trial": trial.id,
            "stage": trial.stage,
            "status": trial.status,
            "architecture": trial.description,
        }
        about |= budget_of(trial)
        return with_metrics_beside({**about, **genes, "error": trial.error}, numbers(trial.metrics or {}))

    def _table(self, rows: list[dict[str, Any]]) -> Any:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        data = [[row.get(name) for name in columns] for row in rows]
        return self._wandb.Table(columns=columns, data=data, allow_mixed_types=True)


def _curve_rows(trial: Trial) -> list[dict[str, Any]]:
    curve = curves(trial)
    epochs = zip(*curve.values(), strict=True)
    return [
        with_metrics_beside({"trial": trial.id, "epoch": epoch}, dict(zip(curve, values, strict=True)))
        for epoch, values in enumerate(epochs, start=1)
    ]


make = WandB
