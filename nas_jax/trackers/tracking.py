"""Tells the trackers of a run what they do not have yet, and goes on without one that fails.

The trial log is all that a tracker needs: when a run begins or goes on, each tracker is asked which trials it holds
and is told the others. So nothing is written twice, and what was missed while a tracker was off is made up for.
"""

import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from nas_jax.assessment import Assessment
from nas_jax.errors import UserError
from nas_jax.objectives import Objective
from nas_jax.spaces.base import Space
from nas_jax.trackers.base import Ended, TrackedRun, Tracker, Writer, genes_of
from nas_jax.trial import Stage, Trial

T = TypeVar("T")


def in_turn(*listeners: Callable[[T], None]) -> Callable[[T], None]:
    """One listener that calls all."""

    def call(value: T) -> None:
        for listener in listeners:
            listener(value)

    return call


class Tracking:
    """The trackers of a run, by name. With none, it does nothing.

    A tracker that fails is left out from then on: `note` is called with one line, once, and the traceback is in
    `trackers.log` of the working directory. A `UserError` is raised and nothing else.
    """

    def __init__(self, trackers: Mapping[str, Tracker], note: Callable[[str], None]) -> None:
        self._trackers = trackers
        self._note = note
        self._log = Path("trackers.log")
        self._channels: dict[str, _Channel] = {}

    def __enter__(self) -> "Tracking":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, channel in list(self._channels.items()):
            with self._without_failures(name):
                channel.writer.close()

    def begin(
        self, workdir: Path, config: Mapping[str, Any], space: Space, objective: Objective, trials: Iterable[Trial]
    ) -> None:
        """Opens all trackers, and tells them of those of the `trials` that have ended."""
        if not self._trackers:
            return
        self._log = workdir / "trackers.log"
        run = TrackedRun(_run_id(workdir / "tracking_id"), workdir, config, space, objective)
        ended = [trial for trial in trials if trial.status != "pending"]
        for name, tracker in self._trackers.items():
            with self._without_failures(name):
                self._channels[name] = channel = _Channel(tracker.begin(run), run, ended)
                for trial in ended:
                    channel.trial(trial)

    def trial(self, trial: Trial) -> None:
        """A trial has ended."""
        for name, channel in list(self._channels.items()):
            with self._without_failures(name):
                channel.trial(trial)

    def round(self, assessment: Assessment | None) -> None:
        """The search has proposed again; `assessment` is that of its predictions until then."""
        for name, channel in list(self._channels.items()):
            with self._without_failures(name):
                channel.round(assessment)

    def end(self, metrics: Mapping[str, Any]) -> None:
        """The run is complete; `metrics` are those of the winner."""
        for name, channel in list(self._channels.items()):
            with self._without_failures(name):
                if not channel.held.is_complete:
                    channel.writer.end(metrics)

    @contextmanager
    def _without_failures(self, name: str) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            self._channels.pop(name, None)
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{name}:\n{traceback.format_exc()}\n")
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self._note(
                f"the tracker {name} is off from here: {reason[:200]} (all of it in {self._log}); the search goes on, "
                "and the same command tells it later what it missed"
            )


class _Channel:
    """What one tracker has been told."""

    def __init__(self, writer: Writer, run: TrackedRun, ended: Sequence[Trial]) -> None:
        self.writer = writer
        self.held = writer.held
        self._run = run
        self._told = set(self.held.trials)
        self._num_assessed = self.held.num_assessed
        self._num: Counter[Stage] = Counter()
        self._best: dict[Stage, float] = {}
        for trial in ended:
            if trial.id in self._told:
                self._count(trial)

    def trial(self, trial: Trial) -> None:
        if trial.id in self._told:
            return
        self._told.add(trial.id)
        self._count(trial)
        value, best = (
            score if score is None or self._run.objective.maximize else -score
            for score in (self._run.objective.finite_score(trial), self._best.get(trial.stage))
        )
        genes = genes_of(self._run.space, trial.genome)
        self.writer.trial(Ended(trial, self._num[trial.stage], value, best, genes))

    def round(self, assessment: Assessment | None) -> None:
        if assessment and self._num["search"] > self._num_assessed:
            self._num_assessed = self._num["search"]
            self.writer.round(self._num_assessed, assessment)

    def _count(self, trial: Trial) -> None:
        self._num[trial.stage] += 1
        score = self._run.objective.finite_score(trial)
        if score is not None:
            self._best[trial.stage] = max(score, self._best.get(trial.stage, score))


def _run_id(path: Path) -> str:
    """The id in a file, which is written where there is none."""
    if not path.exists():
        partial = path.with_name(path.name + ".partial")
        partial.write_text(uuid.uuid4().hex + "\n")
        partial.replace(path)
    return path.read_text().strip()
