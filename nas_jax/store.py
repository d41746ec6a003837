"""The trial log: JSON lines that are only ever appended to, so that a killed run loses nothing.

The last line of an id counts. A line is on the disk before the search goes on. One process writes at a time.
"""

import fcntl
import json
import os
import time
import weakref
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from types import TracebackType

from nas_jax.errors import UserError, storage_problem
from nas_jax.json_files import check_object, describe_json_error
from nas_jax.trial import TRIAL_HINTS, Stage, Trial, trial_from_json, trial_to_json

_REQUIRED = ("id", "genome", "description", "stage", "seed")
FORMAT = 2  # of this log and of the files beside it; those of format 1 do not name it
_LOCKED: weakref.WeakSet[FileIO] = weakref.WeakSet()  # logs that this process holds


class TrialStore:
    """Trials by id, in memory, and in the log at `path` if there is one.

    Opening a log reads it and locks it. `repaired` says what was cut off its end, None if nothing was. The lock is not
    handed on to forked processes, which may outlive this one.

    Raises:
        UserError: the log cannot be written, another process holds it, or a line within it is damaged.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._trials: dict[int, Trial] = {}
        self._next_id = 0
        self._file: FileIO | None = None
        self.repaired: str | None = None
        if path is not None:
            self._file = _open_locked(path)
            content = self._file.read()
            try:
                trials, num_valid = _parse(content, path)
            except UserError:
                self._file.close()
                raise
            self._add(trials)
            if num_valid == len(content) and content and not content.endswith(b"\n"):
                _append(b"\n", self._file)
            if num_valid < len(content):
                self._file.truncate(num_valid)
                self.repaired = f"{path}: cut off {len(content) - num_valid} bytes of an incomplete last line"

    def __enter__(self) -> "TrialStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()  # which releases the lock

    def trials(self, *stages: Stage) -> list[Trial]:
        """The trials of the given stages (of all, if none is given), by id."""
        return [self._trials[id] for id in sorted(self._trials) if not stages or self._trials[id].stage in stages]

    def trial(self, id: int) -> Trial:
        """The trial of an id.

        Raises:
            KeyError: there is none.
        """
        return self._trials[id]

    def next_id(self) -> int:
        return self._next_id

    def put(self, *trials: Trial) -> None:
        """Adds trials, or new states of them. When this returns they are on the disk.

        Raises:
            UserError: the disk is full, or fails, or the log is no longer at its path. It is then as it was before.
        """
        if self._file is not None:
            if self._file.closed:
                raise UserError(f"{self._file.name} is closed, or belongs to the process that this one was forked from")
            now = round(time.time(), 3)
            lines = [json.dumps({**trial_to_json(trial), "time": now}) + "\n" for trial in trials]
            _append("".join(lines).encode(), self._file)
        self._add(trials)

    def _add(self, trials: Sequence[Trial]) -> None:
        self._trials.update((trial.id, trial) for trial in trials)
        self._next_id = max([self._next_id, *(trial.id + 1 for trial in trials)])


def read_trials(path: Path) -> list[Trial]:
    """The trials of a log, by id, without locking it: a running search may be writing."""
    if not path.exists():
        return []
    trials, _ = _parse(path.read_bytes(), path)
    by_id = {trial.id: trial for trial in trials}
    return [by_id[id] for id in sorted(by_id)]


def _open_locked(path: Path) -> FileIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = FileIO(path.absolute(), "a+")
    except OSError as error:
        text = f"cannot write to {path.parent}: {error.strerror}; choose another folder (--workdir)"
        raise UserError(text) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise UserError(
            f"another process is working in {path.parent}; wait until it ends, or choose another folder (--workdir)"
        ) from None
    except OSError as error:
        file.close()
        raise UserError(
            f"{path.parent} is on a file system without locks ({error.strerror}), so that two processes could write "
            "there; choose a folder on another one (--workdir)"
        ) from error
    file.seek(0)
    _LOCKED.add(file)
    return file


def _let_go() -> None:
    """Closes the logs of the process of which this one was forked; their locks stay with that one."""
    for file in list(_LOCKED):
        file.close()


os.register_at_fork(after_in_child=_let_go)


def _append(content: bytes, file: FileIO) -> None:
    size = os.fstat(file.fileno()).st_size
    try:
        written = 0
        while written < len(content):  # a disk that fills up takes a part
            written += file.write(content[written:])
        os.fsync(file.fileno())
        if not _is_in_place(file):
            raise UserError(
                f"{file.name} was removed, moved or replaced while the search was going on, and nothing more can be "
                "stored; put back what was there, or begin anew in another folder"
            )
    except UserError:
        file.truncate(size)
        raise
    except OSError as error:
        file.truncate(size)
        error.filename = file.name
        problem = storage_problem(error)
        if problem is None:
            raise
        raise UserError(problem) from error


def _is_in_place(file: FileIO) -> bool:
    """Whether an open file is still the one at the path by which it was opened."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _parse(content: bytes, path: Path) -> tuple[Sequence[Trial], int]:
    """The trials of all whole lines, and the number of bytes that these lines take.

    A last line that lacks no more than its end is whole.
    """
    trials: list[Trial] = []
    num_valid = 0
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            trials.append(trial_from_json(check_object(json.loads(line), TRIAL_HINTS, _REQUIRED)))
        except (ValueError, TypeError, RecursionError) as error:
            if not line.endswith(b"\n"):
                break  # the last line, torn
            reason = str(error) if isinstance(error, TypeError) else describe_json_error(error)
            raise UserError(f"line {number} of {path} is damaged ({reason}); remove the line to go on") from error
        num_valid += len(line)
    return trials, num_valid
