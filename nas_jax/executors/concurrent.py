"""The stream of trials through something that runs several at the same time: what workers and clusters share."""

import dataclasses
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import NamedTuple

from nas_jax.evaluators.base import Failure, failed
from nas_jax.trial import Trial


class _Run(NamedTuple):
    trial: Trial
    num_attempts: int


def evaluate_concurrently(
    submit: Callable[[Trial], Future[Trial]],
    failure_of: Callable[[BaseException], Failure | None],
    requests: Iterator[Trial],
    *,
    num_slots: int,
    max_retries: int,
) -> Generator[Trial, None, None]:
    """Keeps `num_slots` trials running, and yields each as soon as it has ended.

    Args:
        submit: Starts a trial elsewhere, where `attempt` measures it.
        failure_of: What an exception of a future says of the trial. None if it says nothing of it: it is raised then.
        max_retries: How often a trial is started again after failures of the infrastructure.
    """
    running: dict[Future[Trial], _Run] = {}
    while True:
        while len(running) < num_slots and (trial := next(requests, None)) is not None:
            running[submit(trial)] = _Run(trial, 1)
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in sorted(done, key=lambda future: running[future].trial.id):
            trial, num_attempts = running.pop(future)
            ended = _ended(future, trial, failure_of)
            if isinstance(ended, Failure):
                if ended.is_of_infrastructure and num_attempts <= max_retries:
                    running[submit(trial)] = _Run(trial, num_attempts + 1)
                    continue
                ended = failed(trial, ended)
            yield dataclasses.replace(ended, num_attempts=num_attempts)


def _ended(
    future: Future[Trial], trial: Trial, failure_of: Callable[[BaseException], Failure | None]
) -> Trial | Failure:
    error = future.exception()
    if error is None:
        return future.result()
    failure = failure_of(error)
    if failure is None:
        raise error
    return failure
