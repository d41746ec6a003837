"""Trials that are compiled in threads before it is their turn, so that a device that trains never waits."""

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType

from nas_jax.evaluators.base import Measurement, Prepared, Preparing, Report, attempt
from nas_jax.executors.plan import num_needed
from nas_jax.trial import Trial

_NUM_RECENT = 16  # trials whose seconds count


def check_compile_ahead(compile_ahead: int | None) -> None:
    """Raises ValueError for a number that is none."""
    if compile_ahead is not None and compile_ahead < 0:
        raise ValueError(f"compile_ahead has to be at least 0, or None to be planned, got {compile_ahead}")


class Pace:
    """How many trials are compiled ahead of each device.

    Args:
        compile_ahead: As many as this, always. None for as many as the trials that have ended show to be needed.
        num_planned: Of threads, where `compile_ahead` is None.
    """

    def __init__(self, compile_ahead: int | None, num_planned: int) -> None:
        self.num_threads = num_planned if compile_ahead is None else compile_ahead
        self._is_planned = compile_ahead is None
        self._recent: deque[dict[str, float]] = deque(maxlen=_NUM_RECENT)

    @property
    def num_ahead(self) -> int:
        return num_needed(self.num_threads, list(self._recent)) if self._is_planned else self.num_threads

    def note(self, ended: Trial) -> None:
        """Learns from a trial that has ended."""
        if ended.seconds is not None:
            self._recent.append(ended.seconds)


class Ahead:
    """Prepares trials in threads. What cannot be prepared fails when it is its turn, and nothing else does."""

    def __init__(self, prepare: Callable[[Trial], Prepared], num_threads: int) -> None:
        self._prepare = prepare
        self._begun: dict[Hashable, Future[Prepared]] = {}
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="compile")

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Waits for what is being prepared, and leaves out what has not begun."""
        self._threads.shutdown(cancel_futures=True)

    def begin(self, key: Hashable, trial: Trial) -> None:
        """Has a trial prepared, which `measure` will name by `key`."""
        self._begun[key] = self._threads.submit(self._prepare, trial)

    def forget(self, key: Hashable) -> None:
        """Leaves out a trial that was begun; what is already being prepared is dropped when it is ready."""
        begun = self._begun.pop(key, None)
        if begun is not None:
            begun.cancel()

    def measure(self, key: Hashable, trial: Trial, report: Report) -> Measurement:
        """Measures a trial as soon as it is prepared; one that was not begun is prepared here."""
        begun = self._begun.pop(key, None)
        prepared = self._prepare(trial) if begun is None else begun.result()
        return prepared(report)


def evaluate_ahead(
    evaluator: Preparing, requests: Iterator[Trial], report: Report, pace: Pace
) -> Generator[Trial, None, None]:
    """Measures one trial after the other in this thread, in their order, while others prepare the next ones."""
    waiting: deque[Trial] = deque()
    with Ahead(evaluator.prepare, pace.num_threads) as ahead:
        while True:
            while len(waiting) <= pace.num_ahead and (request := next(requests, None)) is not None:
                waiting.append(request)
                ahead.begin(request.id, request)
            if not waiting:
                return
            trial = waiting.popleft()
            ended = attempt(partial(ahead.measure, trial.id), trial, report)
            pace.note(ended)
            yield ended
