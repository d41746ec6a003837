"""The trials that wait for one slot, in the search's process, and the worker process that measures them."""

import contextlib
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from nas_jax.evaluators.base import Failure
from nas_jax.executors.slots import Slot
from nas_jax.executors.worker import Ready, Task, What, Work, last_words, serve
from nas_jax.trial import Trial

_END_SECONDS = 5.0  # that a process is given to end when it has closed its pipe


class WorkerDiedError(Exception):
    """The process of a worker has ended, though nobody has ended it."""

    def __init__(self, exitcode: int, last_words: str) -> None:
        super().__init__(exitcode, last_words)
        self.exitcode, self.last_words = exitcode, last_words


class Worker(NamedTuple):
    """A worker process, the way to it, and where its libraries write."""

    process: BaseProcess
    connection: Connection
    log: Path


def start_worker(work: Work, slot: Slot, log: Path) -> Worker:
    """Starts a process, which says when it is ready. It has its own JAX, since it is spawned."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, work, slot, log), name="nas_jax_worker")
    process.start()
    there.close()
    return Worker(process, here, log)


class Entry(NamedTuple):
    """A trial in a queue."""

    task: Task
    is_announced: bool  # whether the worker may know of it before its turn
    ended: "Future[Trial | Failure]"


class SlotQueue:
    """Hands trials to the worker of a slot, one after the other, and tells it before which ones wait.

    One that waits can be given up to another queue.

    A worker that dies fails the trial that was training, and no other: the next one is told of those that wait. As it
    may have died of one that waited, the first trial of the next one is measured before it is told of any.

    A thread does it: a signal that interrupts the main thread must not find a process half started.
    """

    def __init__(self, start: Callable[[], Worker], time_limit: float | None) -> None:
        self._start, self._time_limit = start, time_limit
        self._waiting: deque[Entry] = deque()
        self._running: Entry | None = None
        self._given_up: list[Task] = []  # of which the worker has not been told that they do not come
        self._lock = threading.Lock()  # of these three
        self._worker: Worker | None = None
        self._is_ready = False  # the worker, to measure
        self._is_proven = True  # no worker has died, or the one after it has measured a trial
        self._announced: set[int] = set()  # numbers of tasks that the worker knows of
        self._deadline: float | None = None
        self._is_stopping = False
        self._woken, self._waker = multiprocessing.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._run, name="slot", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many trials wait or run."""
        with self._lock:
            return len(self._waiting) + (self._running is not None)

    def put(self, task: Task, *, is_announced: bool) -> "Future[Trial | Failure]":
        """Lets a trial wait for its turn. With `is_announced` the worker is told of it before."""
        entry = Entry(task, is_announced, Future())
        self.take(entry)
        return entry.ended

    def take(self, entry: Entry) -> None:
        """Lets a trial wait for its turn that another queue has given up."""
        with self._lock:
            self._waiting.append(entry)
        self._wake()

    def give_up(self) -> Entry | None:
        """The trial that came last, if it still waits; it is none of this queue any more."""
        with self._lock:
            entry = self._waiting.pop() if self._waiting else None
            if entry is not None:
                self._given_up.append(entry.task)
        self._wake()
        return entry

    def stop(self) -> None:
        """Ends the worker, whatever it does. What has not ended stays as it is."""
        self._is_stopping = True
        self._wake()
        self._thread.join()

    def _wake(self) -> None:
        self._waker.send(None)

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self._hand_over()
                self._look()
        except BaseException as error:  # for the search, which would wait in vain for this thread
            self._fail_all(error)
        finally:
            self._end_worker()

    def _hand_over(self) -> None:
        """Starts a worker where one is needed, gives it its next trial, and tells it of those that wait."""
        if self._worker is None and self._waiting:
            self._worker, self._is_ready = self._start(), False
            self._announced.clear()
        if self._worker is None or not self._is_ready or not self._worker.process.is_alive():
            return
        if self._running is None and (entry := self._next()) is not None:
            self._deadline = None if self._time_limit is None else time.monotonic() + self._time_limit
            self._send("measure", entry.task)
        with self._lock:
            waiting, given_up = list(self._waiting), self._given_up
            self._given_up = []
        for task in given_up:
            if task.number in self._announced:
                self._announced.remove(task.number)
                self._send("forget", task)
        if self._is_proven:
            for entry in waiting:
                if entry.is_announced and entry.task.number not in self._announced:
                    self._announced.add(entry.task.number)
                    self._send("prepare", entry.task)

    def _next(self) -> Entry | None:
        """Lets the turn of the next trial come, if one waits."""
        with self._lock:
            self._running = self._waiting.popleft() if self._waiting else None
            return self._running

    def _send(self, what: What, task: Task) -> None:
        assert self._worker is not None
        with contextlib.suppress(OSError):  # it has died, which the next look finds
            self._worker.connection.send((what, task))

    def _look(self) -> None:
        """Waits until something happens, and does what follows from it."""
        watched: list[Any] = [self._woken]
        if self._worker is not None:
            watched += [self._worker.connection, self._worker.process.sentinel]
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        ready = wait(watched, left)
        if self._woken in ready:
            self._woken.recv()
        if self._worker is None or self._is_stopping:
            return
        if self._worker.connection in ready:
            try:
                message = self._worker.connection.recv()
            except (EOFError, OSError):
                self._take_death(self._worker)
            else:
                self._receive(message)
        elif self._worker.process.sentinel in ready:
            self._take_death(self._worker)
        elif self._deadline is not None and time.monotonic() >= self._deadline:
            self._end_worker()
            self._resolve(TimeoutError())

    def _receive(self, message: Ready | Trial | Failure | Exception) -> None:
        if isinstance(message, Ready):
            self._is_ready = True
        elif not self._is_ready:
            assert isinstance(message, Exception)
            raise message  # what every worker would meet
        else:
            self._is_proven = True
            self._resolve(message)

    def _take_death(self, worker: Worker) -> None:
        """Fails the trial that was training, or where the worker could not even start, the next one."""
        was_ready = self._is_ready
        worker.process.join(_END_SECONDS)
        self._end_worker()
        self._is_proven = False
        if self._running is None and not was_ready:
            self._next()
        self._resolve(WorkerDiedError(worker.process.exitcode or 0, last_words(worker.log)))

    def _resolve(self, outcome: Trial | Failure | BaseException) -> None:
        """Ends the trial that runs, if one does."""
        with self._lock:
            entry, self._running = self._running, None
        self._deadline = None
        if entry is None:
            return
        if isinstance(outcome, BaseException):
            entry.ended.set_exception(outcome)
        else:
            entry.ended.set_result(outcome)

    def _fail_all(self, error: BaseException) -> None:
        self._resolve(error)
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
        for entry in waiting:
            entry.ended.set_exception(error)

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.process.kill()
            self._worker.process.join()
            self._worker.connection.close()
            self._worker = None
