"""Worker processes of this machine: each trains on its own cores or its own accelerator.

The processes are spawned, so that each has its own JAX, and stay alive from trial to trial. One that dies is replaced.
"""

import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
from pebble import ProcessExpired, ProcessPool

from nas_jax.evaluators.base import Failure, Measuring, Report, attempt, ignore
from nas_jax.executors.concurrent import Submission, evaluate_concurrently
from nas_jax.executors.limits import check_limits, limit_memory, out_of_time
from nas_jax.executors.progress_file import ProgressReader, append_progress
from nas_jax.executors.slots import Slot, local_slots, take_slot, worker_environment
from nas_jax.executors.source import with_mapped_source
from nas_jax.scratch import scratch_folder
from nas_jax.train.cache import use_compilation_cache
from nas_jax.trial import Trial


@dataclass(frozen=True)
class Workers:
    """Measures the trials of `evaluator` in processes of this machine.

    Args:
        num_workers: None for one a core, or on a machine with GPUs `workers_per_device` a GPU.
        workers_per_device: How many share a GPU and its memory.
        time_limit: Seconds after which a trial is stopped and has failed; None for no limit.
        memory_gb: What a worker may allocate on the host (Linux), in 2^30 bytes; None for no limit. A trial that asks
            for more fails, or ends its worker.
        max_retries: How often a trial is started again after its worker has died.
        compilation_cache: Folder of this user alone in which compiled networks are kept for later runs; None for none.

    Raises:
        ValueError: a number that is too small.
    """

    evaluator: Measuring
    num_workers: int | None = None
    workers_per_device: int = 1
    time_limit: float | None = None
    memory_gb: float | None = None
    max_retries: int = 2
    compilation_cache: str | None = None

    def __post_init__(self) -> None:
        check_limits(self.num_workers, self.time_limit, self.memory_gb, self.max_retries)
        if self.workers_per_device < 1:
            raise ValueError(f"workers_per_device has to be at least 1, got {self.workers_per_device}")

    @property
    def metric_names(self) -> tuple[str, ...]:
        return self.evaluator.metric_names

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        slots = local_slots(self.num_workers, self.workers_per_device)
        with scratch_folder("workers") as scratch, contextlib.ExitStack() as stack:
            make_pool = partial(
                ProcessPool,
                max_workers=len(slots),
                initializer=_start_worker,
                initargs=(
                    scratch,
                    with_mapped_source(self.evaluator, scratch),
                    slots,
                    self.memory_gb,
                    self.compilation_cache,
                ),
                context=multiprocessing.get_context("spawn"),
            )
            stack.enter_context(worker_environment(num_threads=len(slots[0].cores)))
            pool = _Pool(make_pool, self.time_limit, scratch)
            stack.callback(pool.stop)
            yield from evaluate_concurrently(pool, requests, report, num_slots=len(slots), max_retries=self.max_retries)


make = Workers


class _Pool:
    """A pool that is made anew where all its workers died at once. Trials leave their progress in `folder`.

    Its processes are started in a thread: a signal that interrupts the main thread must not find one half started.
    """

    def __init__(self, make_pool: Callable[[], ProcessPool], time_limit: float | None, folder: Path) -> None:
        self._make_pool, self._time_limit = make_pool, time_limit
        self._progress_paths = (f"{folder}/progress_{number}" for number in itertools.count())
        self._pool = make_pool()
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="workers")

    def submit(self, trial: Trial) -> Submission:
        if not self._starter.submit(self._is_active).result():
            self._end()
            self._pool = self._make_pool()
            self._starter.submit(self._is_active).result()
        path = next(self._progress_paths)
        ended = self._pool.schedule(_measure, args=[trial, path], timeout=self._time_limit)
        return Submission(ended, ProgressReader(path).new)

    def failure_of(self, error: BaseException) -> Failure | None:
        if isinstance(error, TimeoutError) and self._time_limit is not None:
            return out_of_time(self._time_limit)
        if isinstance(error, ProcessExpired):
            return Failure("worker_lost", f"the worker process {_how_it_ended(error.exitcode)}")
        if isinstance(error, BrokenProcessPool):
            return Failure("worker_lost", "no worker process stays alive; what they wrote to the terminal may say why")
        return None

    def stop(self) -> None:
        """Ends the workers, whatever they do."""
        self._starter.shutdown()
        self._end()

    def _is_active(self) -> bool:
        """Asking starts a new pool."""
        return self._pool.active

    def _end(self) -> None:
        self._pool.stop()
        self._pool.join()


_evaluator: list[Measuring] = []  # of this worker process


def _start_worker(
    folder: Path, evaluator: Measuring, slots: Sequence[Slot], memory_gb: float | None, compilation_cache: str | None
) -> None:
    """Runs once in each worker."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    take_slot(folder, slots)
    limit_memory(memory_gb)
    if compilation_cache is not None:
        use_compilation_cache(compilation_cache)
    _evaluator.append(evaluator)


def _measure(trial: Trial, progress_path: str) -> Trial:
    ended = attempt(_evaluator[0].measure, trial, partial(append_progress, progress_path))
    jax.clear_caches()  # JAX keeps what it traced and compiled, and no other trial has the same network
    return ended


def _end_with_parent() -> None:
    """A search that was killed leaves no worker behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _how_it_ended(exitcode: int) -> str:
    if exitcode >= 0:
        return f"ended with exit code {exitcode}"
    hint = ", which is also how a machine that is short of memory ends one" if exitcode == -signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-exitcode).name}{hint}"
