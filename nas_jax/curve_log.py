"""The metrics of every epoch, stored as they come: what a trial that runs has given until now.

The file `curves.jsonl` of a run is only ever appended to. A line is an epoch of a trial, or a note of it; one that is
torn, as by a kill or a full disk, is passed over. The log of trials has the same curves once a trial has ended.
"""

import contextlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from nas_jax.evaluators.base import Progress
from nas_jax.json_files import append_line
from nas_jax.listeners import Outcome, Round
from nas_jax.trial import Trial

Curve: TypeAlias = dict[int, dict[str, float]]  # the metrics after so many epochs


@dataclass(frozen=True)
class CurveLog:
    """A listener that appends each epoch to the file at `path`.

    If the disk is full, what could not be written is lost, and the search goes on as far as its other files let it.
    """

    path: Path

    def progress(self, progress: Progress) -> None:
        line: dict[str, Any] = {"trial": progress.trial}
        if progress.note is None:
            line |= {"num_epochs": progress.num_epochs, "metrics": progress.metrics}
        else:
            line["note"] = progress.note
        with contextlib.suppress(OSError):
            append_line(self.path, {**line, "time": round(time.time(), 3)})

    def begin(self, stage: str, num_trials: int | None, ended: Sequence[Trial]) -> None: ...

    def trial(self, trial: Trial) -> None: ...

    def round(self, round: Round) -> None: ...

    def end(self, outcome: Outcome) -> None: ...


def read_curves(path: Path) -> dict[int, Curve]:
    """The curves in a log by the ids of trials, each in the order of its epochs; none where there is no file.

    A trial that was begun again has the later values. One that continues another has the epochs of its own:
    `whole_curve` puts those before them. A running search may be writing.
    """
    curves: dict[int, Curve] = {}
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
            trial, num_epochs, metrics = record["trial"], record["num_epochs"], record["metrics"]
        except (ValueError, KeyError, TypeError):  # torn, or a note
            continue
        curves.setdefault(trial, {})[num_epochs] = metrics
    return {trial: dict(sorted(curves[trial].items())) for trial in sorted(curves)}


def whole_curve(trial: Trial, trials: Iterable[Trial], curves: Mapping[int, Curve]) -> Curve:
    """The curve of a trial from the first epoch of its training on, as far as it is known.

    Args:
        trials: those of the run, among which are the ones that were continued.
        curves: as `read_curves` gives them.
    """
    by_id, chain = {each.id: each for each in trials}, [trial]
    while (last := chain[-1]).continues in by_id and last.continues is not None:
        chain.append(by_id[last.continues])
    whole: Curve = {}
    for each in reversed(chain):
        own = curves.get(each.id, {})
        first = min(own, default=0)
        whole = {**({n: m for n, m in whole.items() if n < first} if own else whole), **own}
    return whole
