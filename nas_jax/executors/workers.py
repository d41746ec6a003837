"""Worker processes of this machine: each trains on its own cores, or on a GPU.

The processes are spawned, so that each has its own JAX, and stay alive from trial to trial. One that dies is replaced.
On a GPU each compiles, in threads, the trials that wait for it, so that the GPU goes from one to the next.
"""

import atexit
import contextlib
import itertools
import multiprocessing
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar

from nas_jax.errors import UserError
from nas_jax.evaluators.base import Failure, Measuring, Preparing, Report, ignore
from nas_jax.executors.ahead import Pace, check_compile_ahead
from nas_jax.executors.concurrent import Submission, evaluate_concurrently
from nas_jax.executors.limits import check_limits, out_of_time
from nas_jax.executors.progress_file import ProgressReader
from nas_jax.executors.slot_queue import SlotQueue, Worker, WorkerDiedError, start_worker
from nas_jax.executors.slots import Slot, local_slots, take_slot, worker_environment
from nas_jax.executors.source import with_mapped_source
from nas_jax.executors.worker import Task, Work, end_with_parent
from nas_jax.scratch import scratch_folder
from nas_jax.trial import Trial

T = TypeVar("T")


@dataclass(frozen=True)
class Workers:
    """Measures the trials of `evaluator` in processes of this machine.

    Args:
        num_workers: None for one a core, or on a machine with GPUs `workers_per_device` a GPU.
        workers_per_device: How many share a GPU and its memory.
        time_limit: Seconds after which a trial is stopped and has failed, from when it is its turn; None for no limit.
        memory_gb: What a worker may allocate on the host (Linux), in 2^30 bytes; None for no limit. A trial that asks
            for more fails, or ends its worker.
        max_retries: How often a trial is started again after its worker has died, or after others on its GPU may have
            taken the memory that it needed.
        compile_ahead: How many further trials each worker compiles in threads while it trains one; 0 for none, None for
            as many as keep a GPU from waiting, and none on a CPU. An evaluator that compiles nothing has none.
        compilation_cache: Folder of this user alone in which what is compiled is kept for later runs; None for one that
            the workers share until the stage of the run ends.

    Raises:
        ValueError: a number that is too small.
    """

    trains_elsewhere: ClassVar[bool] = True

    evaluator: Measuring
    num_workers: int | None = None
    workers_per_device: int = 1
    time_limit: float | None = None
    memory_gb: float | None = None
    max_retries: int = 2
    compile_ahead: int | None = None
    compilation_cache: str | None = None

    def __post_init__(self) -> None:
        check_limits(self.num_workers, self.time_limit, self.memory_gb, self.max_retries)
        check_compile_ahead(self.compile_ahead)
        if self.workers_per_device < 1:
            raise ValueError(f"workers_per_device has to be at least 1, got {self.workers_per_device}")

    @property
    def metric_names(self) -> tuple[str, ...]:
        return self.evaluator.metric_names

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        slots = local_slots(self.num_workers, self.workers_per_device)
        is_preparing = isinstance(self.evaluator, Preparing)
        pace = Pace(self.compile_ahead, slots[0].num_compile_threads) if is_preparing else Pace(0, 0)
        with scratch_folder("workers") as scratch, contextlib.ExitStack() as stack:
            work = Work(
                with_mapped_source(self.evaluator, scratch),
                pace.num_threads,
                self.memory_gb,
                self.compilation_cache,
                scratch,
            )
            stack.enter_context(_environment_of(slots[0]))
            queues = _Queues(work, slots, self.time_limit, pace)
            stack.callback(queues.stop)
            yield from evaluate_concurrently(
                queues,
                requests,
                report,
                num_slots=lambda: len(slots) * (1 + pace.num_ahead),
                max_retries=self.max_retries,
            )

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Calls a function in a process of its own that has a GPU; where there is none, in this process.

        Raises:
            UserError: there is a GPU, and the process has died.
        """
        (slot,) = local_slots(1, workers_per_device=1)
        if slot.gpu is None:
            return function(*args)
        context = multiprocessing.get_context("spawn")
        with (
            _environment_of(slot),
            ProcessPoolExecutor(1, context, initializer=_take_slot_to_the_end, initargs=(slot,)) as pool,
        ):
            try:
                return pool.submit(function, *args).result()
            except BrokenProcessPool as error:
                raise UserError(
                    "execution: the process that computes with the trained network has died; what it wrote to the "
                    "terminal may say why, and the same command goes on from here"
                ) from error


make = Workers


def _environment_of(slot: Slot) -> contextlib.AbstractContextManager[None]:
    return worker_environment(num_threads=len(slot.cores), is_on_gpu=slot.gpu is not None)


def _take_slot_to_the_end(slot: Slot) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    take_slot(slot)


class _Queues:
    """A queue of trials for each slot. A trial goes to the shortest, and may go to another one while it waits."""

    def __init__(self, work: Work, slots: Sequence[Slot], time_limit: float | None, pace: Pace) -> None:
        self._folder, self._time_limit, self._pace = work.scratch, time_limit, pace
        self._numbers, logs = itertools.count(), itertools.count()
        self._suspects: set[int] = set()  # ids of trials of which a worker has died, or may have

        def start(slot: Slot) -> Worker:
            return start_worker(work, slot, work.scratch / f"worker_{next(logs)}.log")

        self._queues = [SlotQueue(partial(start, slot), time_limit) for slot in slots]
        atexit.register(self.stop)

    def submit(self, trial: Trial) -> Submission:
        number = next(self._numbers)
        path = f"{self._folder}/progress_{number}"
        queue = min(self._queues, key=len)
        is_announced = self._pace.num_threads > 0 and trial.id not in self._suspects
        ended = queue.put(Task(number, trial, path), is_announced=is_announced)
        ended.add_done_callback(partial(self._note, trial))
        return Submission(ended, ProgressReader(path).new)

    def level(self) -> None:
        """Moves trials that wait, until no queue is longer than another one by more than a trial."""
        while True:
            shortest, longest = min(self._queues, key=len), max(self._queues, key=len)
            if len(longest) - len(shortest) < 2 or (entry := longest.give_up()) is None:
                return
            shortest.take(entry)

    def failure_of(self, error: BaseException) -> Failure | None:
        if isinstance(error, TimeoutError) and self._time_limit is not None:
            return out_of_time(self._time_limit)
        if isinstance(error, WorkerDiedError):
            words = f"; its last words: {error.last_words}" if error.last_words else ""
            return Failure("worker_lost", f"the worker process {_how_it_ended(error.exitcode)}{words}")
        return None

    def stop(self) -> None:
        """Ends the workers, whatever they do."""
        atexit.unregister(self.stop)
        for queue in self._queues:
            queue.stop()

    def _note(self, trial: Trial, ended: "Future[Trial | Failure]") -> None:
        error = ended.exception()
        if isinstance(error, WorkerDiedError):
            self._suspects.add(trial.id)
        elif error is None and isinstance(result := ended.result(), Trial):
            self._pace.note(result)


def _how_it_ended(exitcode: int) -> str:
    if exitcode >= 0:
        return f"ended with exit code {exitcode}"
    hint = ", which is also how a machine that is short of memory ends one" if exitcode == -signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-exitcode).name}{hint}"
