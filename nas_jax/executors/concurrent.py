"""The stream of trials through something that runs several at the same time: what workers and clusters share."""

import dataclasses
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from nas_jax.evaluators.base import Failure, Progress, Report, failed
from nas_jax.trial import Trial

PROGRESS_SECONDS = 0.25  # between two looks for progress

T = TypeVar("T")


class Submission(NamedTuple):
    """A trial that another process measures."""

    ended: Future[Trial] | Future[Trial | Failure]  # the trial as it has ended, or why it may be begun again
    new_progress: Callable[[], Iterable[Progress]]  # of the trial since the last call; does not wait


@runtime_checkable
class Engine(Protocol):
    """Has trials measured elsewhere."""

    def submit(self, trial: Trial) -> Submission:
        """Starts a trial elsewhere, where `attempt` measures it. Its progress is there before its future is done."""
        ...

    def level(self) -> None:
        """Lets no part of it idle while trials wait for another part. Called when no more trials come for now."""
        ...

    def failure_of(self, error: BaseException) -> Failure | None:
        """What an exception of a future says of its trial. None if it says nothing of it: it is raised then."""
        ...


class _Run(NamedTuple):
    trial: Trial
    num_attempts: int
    submission: Submission


def evaluate_concurrently(
    engine: Engine, requests: Iterator[Trial], report: Report, *, num_slots: Callable[[], int], max_retries: int
) -> Generator[Trial, None, None]:
    """Keeps trials running, and yields each as soon as it has ended.

    `report` is told of all progress of a trial before the trial is yielded. A trial that is started again begins with
    its first epoch again.

    Args:
        num_slots: How many trials the engine has room for, those included that wait in it; asked whenever one ends.
        max_retries: How often a trial is started again after failures of the infrastructure.
    """
    running: dict[Future[Any], _Run] = {}
    done: SimpleQueue[Future[Any]] = SimpleQueue()  # the futures of ended trials, as they come

    def start(trial: Trial, num_attempts: int) -> None:
        submission = engine.submit(trial)
        running[submission.ended] = _Run(trial, num_attempts, submission)
        submission.ended.add_done_callback(done.put)

    next_look = time.monotonic() + PROGRESS_SECONDS
    while True:
        while len(running) < num_slots() and (trial := next(requests, None)) is not None:
            start(trial, 1)
        if not running:
            return
        engine.level()
        runs = [running.pop(future) for future in _wait(done, until=next_look)]
        if time.monotonic() >= next_look:
            _tell(report, running.values())
            next_look = time.monotonic() + PROGRESS_SECONDS
        for run in sorted(runs, key=lambda run: run.trial.id):
            _tell(report, [run])
            ended = _ended(run, engine)
            if isinstance(ended, Failure):
                if ended.is_of_infrastructure and run.num_attempts <= max_retries:
                    start(run.trial, run.num_attempts + 1)
                    continue
                ended = failed(run.trial, ended)
            yield dataclasses.replace(ended, num_attempts=run.num_attempts)


def take_all(queue: SimpleQueue[T]) -> Iterator[T]:
    """What is in the queue now."""
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


def _wait(queue: SimpleQueue[T], until: float) -> list[T]:
    """What is in the queue; if nothing is, waits for something until a time of the monotonic clock."""
    try:
        first = queue.get(timeout=max(0.0, until - time.monotonic()))
    except Empty:
        return []
    return [first, *take_all(queue)]


def _tell(report: Report, runs: Iterable[_Run]) -> None:
    for run in runs:
        for progress in run.submission.new_progress():
            report(progress)


def _ended(run: _Run, engine: Engine) -> Trial | Failure:
    error = run.submission.ended.exception()
    if error is None:
        return run.submission.ended.result()
    failure = engine.failure_of(error)
    if failure is None:
        raise error
    return failure
