"""Which states of stopped trainings a search keeps on disk: those that a trial may go on with, up to a bound.

Whatever is dropped costs time and nothing else, since a training without its state begins again and gives the same.
"""

import contextlib
import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from nas_jax.run import Run
from nas_jax.train.states import StateFile, remove_partial_files, state_files
from nas_jax.trial import History, Trial

_GB = 2**30


@runtime_checkable
class Forgetting(Protocol):
    """A strategy that knows which trials it will never continue."""

    def can_continue(self, history: History) -> set[int]:
        """The ids of the finished trials that it may continue yet. That of a later history is a part of it."""
        ...


class _Training(NamedTuple):
    """The trials of one training, by id, and the files with its states."""

    trials: Sequence[Trial]
    folder: Path
    files: Sequence[StateFile]

    @property
    def num_bytes(self) -> int:
        return sum(file.num_bytes for file in self.files)

    @property
    def is_pending(self) -> bool:
        return any(trial.status == "pending" for trial in self.trials)


@contextlib.contextmanager
def kept_states(run: Run) -> Iterator[Callable[[], None]]:
    """Keeps states in the run's folder until the search has ended; one that is interrupted leaves them there.

    It gives what is to be called whenever a trial has ended: it drops the states that nothing needs any more.
    """
    if run.state_dir is None:
        yield lambda: None
        return
    run.state_dir.mkdir(parents=True, exist_ok=True)
    remove_partial_files(run.state_dir)
    keeper = _Keeper(run, run.state_dir)
    yield keeper.drop
    if keeper.most_bytes:
        run.listeners.note(keeper.summary)
    shutil.rmtree(run.state_dir, ignore_errors=True)


class _Keeper:
    """Drops states, and notes how much they took."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run, self._folder = run, folder
        self.most_bytes = self._num_dropped = 0

    @property
    def summary(self) -> str:
        dropped = f"; {self._num_dropped} trainings lost theirs to search.max_state_gb" if self._num_dropped else ""
        return f"states of stopped trainings took up to {self.most_bytes / 2**20:.3g} MB{dropped}; they are removed"

    def drop(self) -> None:
        """Removes superseded states, those of trainings that nothing continues, and what is beyond the bound."""
        trainings = self._trainings()
        if not trainings:
            return
        self.most_bytes = max(self.most_bytes, sum(each.num_bytes for each in trainings))
        can_continue, left = self._can_continue(), []
        for training in trainings:
            if can_continue(training):
                left.append(_without_superseded(training))
            else:
                shutil.rmtree(training.folder, ignore_errors=True)
        self._keep_to_bound(left)

    def _trainings(self) -> list[_Training]:
        folders = {path.name: path for path in self._folder.iterdir()}
        if not folders:
            return []
        by_seed: defaultdict[str, list[Trial]] = defaultdict(list)
        for trial in self._run.store.trials("search"):
            by_seed[str(trial.seed)].append(trial)
        return [_Training(by_seed[name], path, state_files(path)) for name, path in sorted(folders.items())]

    def _can_continue(self) -> Callable[[_Training], bool]:
        """Says of a training whether a trial may go on with it."""
        parts, full = self._run.parts, self._run.parts.search.budgets.full
        known = None
        if isinstance(parts.strategy, Forgetting):
            known = parts.strategy.can_continue(parts.objectives.history(self._run.store.trials("search")))

        def can_continue(training: _Training) -> bool:
            if training.is_pending:
                return True
            finished = [trial for trial in training.trials if trial.status == "finished"]
            if any(trial.budget in (None, full) for trial in finished):
                return False
            return known is None or any(trial.id in known for trial in finished)

        return can_continue

    def _keep_to_bound(self, trainings: list[_Training]) -> None:
        """Drops those that cost least to train again, and of such the worst, until the others fit."""
        most = self._run.parts.search.settings.max_state_gb
        if most is None:
            return
        taken = sum(each.num_bytes for each in trainings)
        for training in sorted((each for each in trainings if not each.is_pending), key=self._worth):
            if taken <= most * _GB:
                return
            taken -= training.num_bytes
            shutil.rmtree(training.folder, ignore_errors=True)
            if not self._num_dropped:
                self._run.listeners.note(f"states take more than search.max_state_gb={most:g}: some are dropped")
            self._num_dropped += 1

    def _worth(self, training: _Training) -> tuple[float, float]:
        """How many epochs were trained, and what they gave by the first objective."""
        epochs = float(max((file.num_epochs for file in training.files), default=0))
        values = [self._run.parts.objectives.values(trial) for trial in training.trials]
        return epochs, next((float(value[0]) for value in reversed(values) if value is not None), -math.inf)


def _without_superseded(training: _Training) -> _Training:
    """Removes states that a pending trial does not need, nor a later one, which goes on with the furthest."""
    stops = [trial.budget.epochs for trial in training.trials if trial.status == "pending" and trial.budget]
    needed: set[StateFile] = set()
    for seed in {file.seed for file in training.files}:
        of_seed = sorted((file for file in training.files if file.seed == seed), key=lambda file: file.num_epochs)
        needed.add(of_seed[-1])
        for stop in stops:
            needed.update([file for file in of_seed if file.num_epochs < stop][-1:])
    for file in set(training.files) - needed:
        file.path.unlink(missing_ok=True)
    return training._replace(files=[file for file in training.files if file in needed])
