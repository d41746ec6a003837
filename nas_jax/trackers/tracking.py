"""Tells the trackers of a run what they do not have yet, and goes on without one that fails.

The trial log is all that a tracker needs: when a run begins or goes on, each tracker is asked which trials it holds
and is told the others. So nothing is written twice, and what was missed while a tracker was off is made up for.
"""

import traceback
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from nas_jax.assessment import Assessment
from nas_jax.build import build
from nas_jax.config import listed
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Progress
from nas_jax.front_files import read_front
from nas_jax.growing_front import GrowingFront, GrowingVolume
from nas_jax.listeners import Outcome, Round
from nas_jax.parts import Parts
from nas_jax.trackers.base import Ended, TrackedRun, Tracker, Writer, genes_of
from nas_jax.trial import Stage, Trial


def build_trackers(config: Mapping[str, Any]) -> dict[str, Tracker]:
    """The trackers of the field `trackers`, by name: names, or sections where one has settings.

    They are no parts of the run: a report of it is written where their packages are not installed, too.

    Raises:
        UserError: what is neither a name nor a section, a setting that is unknown or impossible, a package that is not
            installed, or a name that is there twice.
    """
    trackers: dict[str, Tracker] = {}
    given = config.get("trackers") or ()
    if not isinstance(given, str | Mapping | list | tuple):
        raise UserError(f"trackers: names or sections are wanted, not {given!r}")
    for entry in [given] if isinstance(given, str | Mapping) else given:
        sections = [entry] if isinstance(entry, Mapping) else [{"name": name} for name in listed([entry], "trackers")]
        for section in sections:
            name = str(section.get("name"))
            if name in trackers:
                raise UserError(f"trackers: {name!r} is named twice")
            trackers[name] = build("nas_jax.trackers", section)
    return trackers


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

    def open(self, workdir: Path, config: Mapping[str, Any], parts: Parts, trials: Iterable[Trial]) -> None:
        """Opens all trackers, and tells them of those of the `trials` that have ended."""
        if not self._trackers:
            return
        self._log = workdir / "trackers.log"
        run = TrackedRun(_run_id(workdir / "tracking_id"), workdir, config, parts.space, parts.objectives)
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

    def round(self, round: Round) -> None:
        """The search has proposed again."""
        for name, channel in list(self._channels.items()):
            with self._without_failures(name):
                channel.round(round.assessments)

    def begin(self, stage: str, num_trials: int | None, ended: Sequence[Trial]) -> None:
        """What has ended before was told when the trackers were opened."""

    def progress(self, progress: Progress) -> None:
        """Trackers have the curve of a trial when it ends."""

    def end(self, outcome: Outcome) -> None:
        """The run is complete; trackers are told once, when a network or a genome of all trials has been exported."""
        for name, channel in list(self._channels.items()):
            with self._without_failures(name):
                if outcome.metrics and not channel.is_complete:
                    channel.writer.end(outcome.metrics, read_front(self._log.parent))

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
        self._fronts: defaultdict[Stage, GrowingFront] = defaultdict(lambda: GrowingFront(run.objectives))
        self._growing = GrowingVolume(run.objectives)
        self._volume: float | None = None
        for trial in ended:
            if trial.id in self._told:
                self._count(trial)

    @property
    def is_complete(self) -> bool:
        """Whether it was told of the end of a run with these trials."""
        return self.held.is_complete and self._told == self.held.trials

    def trial(self, trial: Trial) -> None:
        if trial.id in self._told:
            return
        self._told.add(trial.id)
        self._count(trial)
        genes = genes_of(self._run.space, trial.genome)
        points = {
            objective.metric: objective.sign * value
            for objective in self._run.objectives
            if (value := objective.finite_value(trial)) is not None
        }
        self.writer.trial(Ended(trial, self._num[trial.stage], points, self._so_far(trial.stage), genes))

    def round(self, assessments: Mapping[str, Assessment]) -> None:
        if assessments and self._num["search"] > self._num_assessed:
            self._num_assessed = self._num["search"]
            named = {
                f"{metric}/{name}": float(value)
                for metric, each in assessments.items()
                for name, value in each._asdict().items()
            }
            self.writer.round(self._num_assessed, named)

    def _count(self, trial: Trial) -> None:
        self._num[trial.stage] += 1
        if trial.stage == "search" and len(self._run.objectives) > 1:
            self._volume = self._growing.add(trial)
        self._fronts[trial.stage].add(trial)

    def _so_far(self, stage: Stage) -> dict[str, float | None]:
        """Each objective's best feasible metric; of several objectives, in the search, the hypervolume too."""
        front = self._fronts[stage].values
        so_far: dict[str, float | None] = {
            f"best_{objective.metric}": objective.sign * float(front[:, place].max()) if len(front) else None
            for place, objective in enumerate(self._run.objectives)
        }
        if stage == "search" and len(self._run.objectives) > 1:
            so_far["hypervolume"] = self._volume
        return so_far


def _run_id(path: Path) -> str:
    """The id in a file, which is written where there is none."""
    if not path.exists():
        partial = path.with_name(path.name + ".partial")
        partial.write_text(uuid.uuid4().hex + "\n")
        partial.replace(path)
    return path.read_text().strip()
