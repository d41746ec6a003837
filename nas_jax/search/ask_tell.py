"""The search turned inside out: another program asks for trials, measures them however it likes, and tells the results.

    search = Search(space, Bayesopt(space), "val_accuracy", seed=0, path="runs/mine")
    for trial in search.ask(10):
        search.tell(trial, {"val_accuracy": measure(trial.genome)})

What is proposed depends on the seed and on the log alone, as in the program's own loop, whose code it is.
"""

import dataclasses
import functools
import math
import shlex
import sys
import threading
import warnings
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from nas_jax.errors import UserError
from nas_jax.evaluators.base import Failure, failed, failure_of
from nas_jax.evaluators.plain import plain_metrics, plain_seconds
from nas_jax.record import check_workdir
from nas_jax.run import changeable, unfinished
from nas_jax.search.asked_parts import AskedParts, checked_parts, completed, config_of, folder_of
from nas_jax.search.loop import propose, store_pending
from nas_jax.spaces.allowed import known_metrics
from nas_jax.store import TrialStore
from nas_jax.trial import History, Trial, copy_of
from nas_jax.workdir import check_claim, claim_workdir


class Search:
    """Hands out trials and keeps what it is told of them. Threads may share it.

    With a path it is stored like a run of the program, each trial before it is handed out and each result before
    `tell` returns: the same call goes on from there, in a later process or, after a cell of a notebook was run again,
    in the same one. What was handed out and not told comes first then.

    The trials that it returns are copies: what becomes of their metrics changes nothing here.

    Args:
        space: See `nas_jax.spaces`; `Categorical(genes={"op": ["conv", "pool"], "width": [16, 32]})` is one.
        strategy: Of that space; `Bayesopt(space)` if in doubt.
        objectives: The name of a metric to make large, an `Objective`, or several of either.
        seed: With it, and the results told so far, proposals repeat themselves.
        path: A folder to work in; None: in memory only.
        constraints: What trials have to keep to, each a `nas_jax.constraints.Constraint`. Limits of what the space
            knows (`num_params`, `flops`) are kept by what is proposed, those of other metrics are learned.

    Raises:
        UserError: an argument that is none of these, or a folder that another search, process or version has.
    """

    def __init__(
        self, space: Any, strategy: Any, objectives: Any, seed: Any = 0, path: Any = None, constraints: Any = ()
    ) -> None:
        self._parts = checked_parts(space, strategy, objectives, seed, constraints)
        self._lock = threading.RLock()
        self._is_open = True
        self._store = TrialStore() if path is None else self._open(folder_of(path))
        self._left = unfinished(self._store, "search")  # of an earlier process, and not yet handed out here

    def ask(self, num: Any = 1) -> list[Trial]:
        """The next trials to measure, each with its `id`, its `genome` and a `seed` for the measurement.

        Those of one call are a batch: each is proposed as if those before it were pending.

        Returns:
            `num` trials; fewer, or none, if the space has no more, or as long as the strategy waits for results of
            those that are pending, as `successive_halving` does at the end of a rung.

        Raises:
            UserError: `num` is no positive number, the search is closed, or the folder cannot be written any more. What
                was left of an earlier process is then still to be asked for.
        """
        if not isinstance(num, int | np.integer) or isinstance(num, bool) or num < 1:
            raise UserError(f"ask: a number of trials is wanted, at least 1, not {num!r}")
        with self._lock:
            self._check_open()
            asked = self._left[:num]
            if len(asked) < num:
                proposals = propose(self._parts, self._store.trials("search"), int(num) - len(asked))
                asked = asked + store_pending(self._parts, self._store, proposals)
            self._left = self._left[num:]
            return asked

    def tell(self, trial: Any, metrics: Any, seconds: Any = None) -> Trial:
        """Stores what a trial has reached, and returns the trial with it.

        A trial of which an objective is NaN or infinite is stored as failed.

        Args:
            trial: One that `ask` returned, or its id.
            metrics: By name, at least those of the objectives; numbers of NumPy, JAX and other libraries will do.
            seconds: What it took, by name ("compile", "train"), for the report.

        Raises:
            UserError: a trial that is unknown or was told before, a metric that is missing, one that is no number, or a
                folder that cannot be written any more. The trial stays as it was, and can be told again.
        """
        with self._lock:
            pending = self._pending(trial)
            try:
                plain = plain_metrics(metrics)
                plain_time = None if seconds is None else plain_seconds(seconds)
            except ValueError as error:
                raise UserError(f"trial {pending.id}: {error}") from error
            needed = self._parts.objectives.needed
            plain = {**_known_of(self._parts, pending), **plain}
            for name in needed:
                if name not in plain:
                    raise UserError(f"trial {pending.id}: no metric {name!r}; there are {', '.join(plain) or 'none'}")
                if not isinstance(plain[name], int | float):
                    raise UserError(f"trial {pending.id}: the metric {name!r} is no number but {plain[name]!r}")
            ended = dataclasses.replace(pending, status="finished", metrics=plain, seconds=plain_time)
            if not all(math.isfinite(plain[name]) for name in needed):
                told = ", ".join(f"{name}={value}" for name, value in plain.items())
                ended = failed(dataclasses.replace(ended, metrics=None), Failure("non_finite", f"not finite: {told}"))
            return self._put(ended)

    def tell_failed(self, trial: Any, reason: Any) -> Trial:
        """Stores that a trial failed, and returns it so. To the strategy it is as bad as the worst.

        Args:
            trial: One that `ask` returned, or its id.
            reason: One line, or what was raised.

        Raises:
            UserError: a trial that is unknown or was told before.
        """
        with self._lock:
            is_raised = isinstance(reason, Exception)
            failure = failure_of(reason) if is_raised else Failure("error", " ".join(str(reason).split()))
            return self._put(failed(self._pending(trial), failure))

    @property
    def trials(self) -> list[Trial]:
        """All trials in the order in which they were proposed, pending and failed ones too."""
        return [copy_of(trial) for trial in self._searched]

    @property
    def history(self) -> History:
        """What the strategy knows."""
        return self._parts.objectives.history(self._searched)

    @property
    def front(self) -> list[Trial]:
        """The trials that no other one beats in every objective; of one objective the best alone."""
        return [copy_of(trial) for trial in self._parts.objectives.front(self._searched)]

    @property
    def best(self) -> Trial | None:
        """The best trial so far, the first of equals; None while none has finished.

        Raises:
            UserError: there are several objectives.
        """
        if len(self._parts.objectives) > 1:
            raise UserError(f"best: there are {len(self._parts.objectives)} objectives; see front")
        return next(iter(self.front), None)

    def close(self) -> None:
        """Lets other processes have the folder. What was told can still be read here."""
        with self._lock:
            self._is_open = False
            self._store.__exit__(None, None, None)

    def __enter__(self) -> "Search":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, folder: Path) -> TrialStore:
        """The store in a folder, of which this process has no other search that is open."""
        config = config_of(self._parts)
        complete = functools.partial(completed, config)
        with _LOCK:
            earlier = _OPEN[folder]() if folder in _OPEN else None
            if earlier is not None:
                # What is refused leaves the earlier search open.
                fixed = changeable(earlier._store, config, self._parts.strategy)
                check_claim(folder, config, fixed, completed=complete)
                earlier.close()
            try:
                check_workdir(folder)
                store = TrialStore(folder / "trials.jsonl")
            except OSError as error:
                raise UserError(f"path: {error.filename}: {error.strerror}; choose another folder") from error
            try:
                fixed = changeable(store, config, self._parts.strategy)
                claim_workdir(folder, config, fixed, command=shlex.join(sys.orig_argv), completed=complete)
            except BaseException:
                store.__exit__(None, None, None)
                raise
            _OPEN[folder] = weakref.ref(self)
            weakref.finalize(self, store.__exit__, None, None, None)  # where nobody closes it
        if store.repaired:
            warnings.warn(store.repaired, stacklevel=3)
        return store

    @property
    def _searched(self) -> list[Trial]:
        """The trials as the store has them."""
        with self._lock:
            return self._store.trials("search")

    def _check_open(self) -> None:
        if not self._is_open:
            raise UserError("this search is closed, or was opened again in this process; go on with that one")

    def _pending(self, given: Any) -> Trial:
        """The stored trial that is meant, which has not ended."""
        self._check_open()
        id = given.id if isinstance(given, Trial) else given
        if not isinstance(id, int | np.integer) or isinstance(id, bool):
            raise UserError(f"a trial that ask returned is wanted, or its id, not {given!r}")
        stored = next((trial for trial in self._store.trials("search") if trial.id == id), None)
        if stored is None:
            raise UserError(f"trial {id} is unknown: this search has never handed it out")
        if isinstance(given, Trial) and (given.genome, given.seed) != (stored.genome, stored.seed):
            raise UserError(f"trial {id}, {given.description}, is of another search; here it is {stored.description}")
        if stored.status != "pending":
            raise UserError(f"trial {id} was told before: it has {stored.status}")
        return stored

    def _put(self, ended: Trial) -> Trial:
        self._store.put(ended)
        self._left = [trial for trial in self._left if trial.id != ended.id]
        return copy_of(ended)


_LOCK = threading.Lock()
_OPEN: dict[Path, weakref.ref[Search]] = {}  # of this process, by their folders


def _known_of(parts: AskedParts, trial: Trial) -> dict[str, float]:
    """What the space knows of a trial, as far as an objective or a constraint asks for it."""
    return {name: float(known_metrics(parts.space, [trial.genome], name)[0]) for name in parts.objectives.known}
