"""TensorBoard, from event files in `tensorboard/` of the working directory: `tensorboard --logdir=runs`.

There is one TensorBoard run for the search as a whole, and one for each trial: its learning curves, and a row of the
tab "hparams" with its genes.

A trial's folder appears with all that is in it, by being renamed. Then comes its point in the curves of the search,
one record of an event file: from there on it is held.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_jax.metrics import with_metrics_beside
from nas_jax.spaces.base import GeneSpace
from nas_jax.trackers.base import Ended, Held, TrackedRun, budget_of, check_installed, curves, numbers


@dataclass(frozen=True)
class TensorBoard:
    """Writes event files.

    Raises:
        ValueError: TensorBoard is not installed.
    """

    def __post_init__(self) -> None:
        check_installed("tensorboard")

    def begin(self, run: TrackedRun) -> "_Writer":
        from nas_jax.event_files import EventFile, read_events  # which import TensorBoard

        folder = run.workdir / "tensorboard"
        return _Writer(run, folder, _held(read_events(folder / "run")), EventFile)


class _Writer:
    def __init__(self, run: TrackedRun, folder: Path, held: Held, new_file: Callable[[Path], Any]) -> None:
        self.held = held
        self._run = run
        self._folder = folder
        self._new_file = new_file
        self._file = new_file(folder / "run")
        if held == Held():
            choices = run.space.gene_choices if isinstance(run.space, GeneSpace) else {"architecture": ()}
            self._file.columns(choices, [f"metric/{metric}" for metric in run.objectives.metrics])
            self._file.text("config", _code(run.config))

    def trial(self, ended: Ended) -> None:
        trial = ended.trial
        folder = self._folder / trial.stage / f"{trial.id:05d}"
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            # Outside of the folder that TensorBoard may be watching.
            with tempfile.TemporaryDirectory(prefix=".tensorboard-", dir=self._run.workdir) as parent:
                self._write_trial(Path(parent) / "trial", ended)
                (Path(parent) / "trial").rename(folder)
        about: dict[str, Any] = {"trial": trial.id, "failed": trial.status == "failed", **ended.so_far}
        about |= budget_of(trial)
        about |= {f"{part}_seconds": value for part, value in (trial.seconds or {}).items()}
        point = numbers(with_metrics_beside(about, ended.points))
        self._file.scalars(ended.position, _under(trial.stage, point))

    def round(self, position: int, quality: Mapping[str, float]) -> None:
        self._file.scalars(position, _under("surrogate", numbers(quality)))

    def end(self, metrics: Mapping[str, Any], front: Sequence[Mapping[str, str]]) -> None:
        if front:
            self._file.text("front", _table(front))
        self._file.text("winner", _code(metrics))

    def close(self) -> None:
        self._file.close()

    def _write_trial(self, folder: Path, ended: Ended) -> None:
        trial = ended.trial
        file = self._new_file(folder)
        file.row(f"{trial.stage} {trial.id}", ended.genes)
        file.text("architecture", trial.description)
        curve = curves(trial)
        for epoch in range(1, 1 + max(map(len, curve.values()), default=0)):
            values = {name: values[epoch - 1] for name, values in curve.items() if epoch <= len(values)}
            file.scalars(epoch, _under("curve", numbers(values)))
        file.scalars(0, _under("metric", numbers(trial.metrics or {})))
        if trial.error:
            file.text("error", trial.error)
        file.row_end(is_success=trial.status == "finished")
        file.close()


def _held(events: Iterable[Any]) -> Held:
    """What the event files of the search as a whole say."""
    trials: set[int] = set()
    num_assessed, is_complete = 0, False
    for event in events:
        for value in event.summary.value:
            group, _, name = value.tag.partition("/")
            if name == "trial":
                trials.add(round(value.simple_value))
                is_complete = False
            if group == "surrogate":
                num_assessed = max(num_assessed, event.step)
            is_complete |= value.tag == "winner"
    return Held(frozenset(trials), num_assessed, is_complete)


def _under(group: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{group}/{name}": value for name, value in values.items()}


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    lines = [[*rows[0]], ["---"] * len(rows[0]), *([*row.values()] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code(value: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps(value, indent=2)}\n```"


make = TensorBoard
