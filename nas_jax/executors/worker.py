"""What a worker process does: it measures one trial after the other, and meanwhile compiles those that wait for it."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, NamedTuple, TypeAlias

import jax

from nas_jax.errors import UserError
from nas_jax.evaluators.base import Failure, Measuring, Preparing, attempt
from nas_jax.executors.ahead import Ahead
from nas_jax.executors.limits import limit_memory
from nas_jax.executors.progress_file import append_progress
from nas_jax.executors.slots import Slot, take_slot
from nas_jax.executors.starving import unless_starved
from nas_jax.train.cache import use_compilation_cache
from nas_jax.trial import Trial

_CLEAR_EVERY = 20  # trials on a GPU, where what is compiled again costs more than what is kept
_NUM_LAST_LINES, _NUM_LAST_CHARACTERS = 3, 400  # of a log


class Work(NamedTuple):
    """What all workers of a search have in common."""

    evaluator: Measuring
    num_threads: int  # that compile ahead in each worker
    memory_gb: float | None
    compilation_cache: str | None
    scratch: Path  # a folder of the search


class Task(NamedTuple):
    """A trial for a worker, by a number that no other one has, and the file of its progress."""

    number: int
    trial: Trial
    progress_path: str


What: TypeAlias = Literal["measure", "prepare", "forget"]  # that a worker shall do with a task


class Ready(NamedTuple):
    """What a worker says first: it can measure now."""


def serve(connection: Connection, work: Work, slot: Slot, log: Path) -> None:
    """The life of a worker process. It is killed at its end.

    It is sent what to do, and the task. One is to be measured when the last one has ended; one that waits may be sent
    before, to be prepared, and forgotten if another worker has it. It sends what a trial has come to, or an exception
    that ends the search.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    _write_log(log)
    try:
        _set_up(work, slot)
    except UserError as error:
        connection.send(error)
        return
    ahead = None
    if work.num_threads and isinstance(work.evaluator, Preparing):
        ahead = Ahead(work.evaluator.prepare, work.num_threads)
    turns: SimpleQueue[Task] = SimpleQueue()
    connection.send(Ready())
    threading.Thread(target=_listen, args=(connection, turns, ahead), daemon=True).start()
    num_ended = 0
    while True:
        ended = _measure(work.evaluator, ahead, slot, turns.get())
        num_ended += 1
        if num_ended % clear_every(is_on_gpu=slot.gpu is not None) == 0:
            jax.clear_caches()
        connection.send(ended)


def clear_every(*, is_on_gpu: bool) -> int:
    """After so many trials what JAX has traced and compiled is dropped: no other trial has the same network."""
    return _CLEAR_EVERY if is_on_gpu else 1


def _set_up(work: Work, slot: Slot) -> None:
    take_slot(slot)
    limit_memory(work.memory_gb)
    if work.compilation_cache is not None:
        use_compilation_cache(work.compilation_cache)
    elif jax.config.values["jax_compilation_cache_dir"] is None:  # which a user may have given JAX itself
        use_compilation_cache(work.scratch / "compiled")


def _listen(connection: Connection, turns: SimpleQueue[Task], ahead: Ahead | None) -> None:
    while True:
        try:
            what, task = connection.recv()
        except EOFError:  # the search has ended
            return
        if what == "measure":
            turns.put(task)
        elif ahead is not None and what == "prepare":
            ahead.begin(task.number, task.trial)
        elif ahead is not None:
            ahead.forget(task.number)


def _measure(evaluator: Measuring, ahead: Ahead | None, slot: Slot, task: Task) -> Trial | Failure | Exception:
    measure = evaluator.measure if ahead is None else partial(ahead.measure, task.number)
    try:
        ended = attempt(measure, task.trial, partial(append_progress, task.progress_path))
    except Exception as error:  # for the search, which ends with it
        return error
    return ended if slot.gpu is None else unless_starved(ended, 1 / slot.num_sharing)


def end_with_parent() -> None:
    """A search that was killed leaves no worker behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _write_log(path: Path) -> None:
    """Has what libraries write to the standard error go to a file: pages of it would tear the live display.

    What Python writes there, warnings and tracebacks, still goes where it went.
    """
    terminal = os.dup(2)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 2)
    os.close(file)
    sys.stderr = os.fdopen(terminal, "w", buffering=1, errors="backslashreplace")


def last_words(log: Path) -> str:
    """The last lines that libraries have written in a worker, as one."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    written = [" ".join(line.split()) for line in lines if line.strip()]
    return " / ".join(written[-_NUM_LAST_LINES:])[-_NUM_LAST_CHARACTERS:]
