"""A run: what every stage needs. It is opened once and passed alone."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas_jax.config import with_defaults
from nas_jax.curve_log import CurveLog
from nas_jax.data.digest import digest_of
from nas_jax.diagnostics import Diagnostics
from nas_jax.display import Display
from nas_jax.features.base import Features
from nas_jax.features.space import FeaturedSpace
from nas_jax.listeners import Listeners
from nas_jax.notes import digests_of, notes_of
from nas_jax.parts import Parts, build_parts
from nas_jax.record import check_workdir
from nas_jax.spaces.stored import check_genomes
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Learning, Strategy
from nas_jax.strategies.rungs import HasRungs, describe_rungs
from nas_jax.trackers.tracking import Tracking, build_trackers
from nas_jax.trial import FULL, Stage, Trial
from nas_jax.workdir import check_files, claim_workdir, write_notes

BEST = "best"
# Fields on which no trial depends: a longer search begins with the trials of a shorter one.
_EXTENT = ("search.num_trials", "search.max_cost", "search.max_failures", "search.max_state_gb")
_PLACES = ("path", "data_dir")  # fields of data sources that say where a set lies, which may move


@dataclasses.dataclass(frozen=True)
class Run:
    """The parts, the trials, who is told of them, and where files go.

    `config` is the complete one, as plain dictionaries; parts come from it.
    """

    parts: Parts
    store: TrialStore
    listeners: Listeners = dataclasses.field(default_factory=Listeners)
    workdir: Path = Path()
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    state_dir: Path | None = None  # where trainings leave what they need to go on, while the search lasts

    @property
    def checkpoint_dir(self) -> Path:
        """Where the finalists' networks are left, by trial and seed."""
        return checkpoint_dir_of(self.workdir)

    @property
    def best(self) -> Path:
        """The folder to take home."""
        return self.workdir / BEST

    @property
    def front(self) -> Path:
        """The points of the front of several objectives, a folder each."""
        return self.workdir / "front"

    def begin(self, stage: str, num_trials: int | None, *stages: Stage) -> None:
        """Tells the listeners that a stage begins, whose trials are of `stages` in the store.

        Args:
            num_trials: None where only their cost is limited.
        """
        ended = [trial for trial in self.store.trials(*stages) if trial.status != "pending"]
        self.listeners.begin(stage, num_trials, ended)


@contextmanager
def open_run(config: Mapping[str, Any], workdir: Path) -> Iterator[Run]:
    """Builds the parts, opens the trial log and tells the trackers what it holds.

    Raises:
        UserError: a setting that is wrong, or a `workdir` that another run or another version of this package has.
    """
    check_workdir(workdir)
    state_dir = (workdir / "states").absolute()
    parts = build_parts(config, checkpoint_dir_of(workdir), state_dir)
    trackers, log = build_trackers(config), workdir / "trials.jsonl"
    with TrialStore(log) as store, Display(parts.objectives) as display, Tracking(trackers, display.note) as tracking:
        free = {*changeable(store, config, parts.strategy), *_EXTENT, "data.stream_dir", "trackers", "stages"}
        if not (workdir / BEST).exists():
            free.add("finalists.choice")
        claim_workdir(workdir, config, free, _digests(parts, config), completed=with_defaults)
        check_genomes(parts.space, store.trials())
        if store.repaired:
            display.note(store.repaired)
        searching, finals, features = parts.search.evaluator, parts.finals.evaluator, _features_of(parts)
        notes = notes_of(
            parts, parts.problem, parts.space, features, parts.objectives, parts.strategy, searching, finals
        )
        write_notes(workdir, notes)
        for note in notes:
            display.note(f"note: {note}")
        if isinstance(parts.strategy, HasRungs):
            for line in describe_rungs(parts.strategy.rungs):
                display.note(line)
            if (num := parts.search.settings.num_trials) is not None:
                display.note(f"each rung of a training is a trial, and the search ends after {num}: search.num_trials")
        tracking.open(workdir, config, parts, store.trials())
        logs = Diagnostics(workdir / "diagnostics.jsonl"), CurveLog(workdir / "curves.jsonl")
        yield Run(parts, store, Listeners((display, tracking, *logs)), workdir, config, state_dir)


def recorded_parts(workdir: Path, config: Mapping[str, Any]) -> Parts:
    """The parts of a run that was recorded, with the files that it had.

    Raises:
        UserError: a setting that is wrong, or a file that is not the one that the run began with.
    """
    parts = build_parts(config, checkpoint_dir_of(workdir))
    check_files(workdir, config, _digests(parts, config))
    return parts


def _digests(parts: Parts, config: Mapping[str, Any]) -> dict[str, str]:
    """Of all that results depend on beside the config, by the fields that name it."""
    searching, finals, features = parts.search.evaluator, parts.finals.evaluator, _features_of(parts)
    digests = digests_of(
        {"space": parts.space, "evaluator": searching, "finalists.evaluator": finals, "features": features}
    )
    if parts.problem is None:
        return digests
    places = [field for field in _PLACES if config["data"].get(field)] or ["examples"]
    return digests | dict.fromkeys([f"data.{field}" for field in places], digest_of(parts.problem.dataset))


def _features_of(parts: Parts) -> Features | None:
    seen = parts.learner.space
    return seen.features if isinstance(seen, FeaturedSpace) else None


def checkpoint_dir_of(workdir: Path) -> Path:
    return (workdir / "finalists").absolute()  # workers may run in other folders


def changeable(store: TrialStore, config: Collection[str], strategy: Strategy) -> Collection[str]:
    """The fields of the config on which no stored trial depends."""
    if not store.trials():
        return config
    if store.trials(*FULL):
        return ()
    return ("finalists",) if isinstance(strategy, Learning) else ("surrogate", "targets", "finalists")


def unfinished(store: TrialStore, *stages: Stage) -> list[Trial]:
    """What an earlier process began and did not end."""
    return [trial for trial in store.trials(*stages) if trial.status == "pending"]
