"""Follows the log of a run into studies of Optuna."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nas_jax.record import read_record
from nas_jax.run import recorded_parts
from nas_jax.store import read_trials

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from nas_jax.dashboard.studies import Mirror


class Follower:
    """Copies a log into studies, whenever it has grown."""

    def __init__(self, log: Path, mirrors: Sequence["Mirror"]) -> None:
        self._log = log
        self._mirrors = mirrors
        self._size = -1

    def update(self) -> None:
        size = self._log.stat().st_size if self._log.exists() else 0
        if size != self._size:
            trials = read_trials(self._log)
            times = dict(_times(self._log))  # read later, it has all of them
            for mirror in self._mirrors:
                mirror.update(trials, times)
            self._size = size


def follow(workdirs: Sequence[Path], storage: "BaseStorage") -> list[Follower]:
    """Followers of runs, which have read their logs once.

    Raises:
        UserError: no run was started in one of them, or its parts cannot be built here.
    """
    from nas_jax.dashboard.studies import mirrors_of  # imports Optuna

    followers = []
    for workdir in workdirs:
        parts = recorded_parts(workdir, read_record(workdir).config)
        mirrors = mirrors_of(storage, str(workdir), parts.space, parts.objectives, parts.search.budgets)
        followers.append(Follower(workdir / "trials.jsonl", mirrors))
    for follower in followers:
        follower.update()
    return followers


def _times(log: Path) -> Iterator[tuple[int, tuple[float, float]]]:
    """When each trial was first and last written, by id; the last line may not be whole yet."""
    begun: dict[int, float] = {}
    for line in log.read_bytes().splitlines() if log.exists() else []:
        with suppress(ValueError):
            record = json.loads(line)
            yield record["id"], (begun.setdefault(record["id"], record["time"]), record["time"])
