"""What every evaluator is: a stream of trials in, the same trials with their metrics out."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

from nas_jax.trial import Trial


class Measurement(NamedTuple):
    """What measuring a genome gave: metrics by name, and the seconds of "compile" and "train"."""

    metrics: dict[str, Any]
    seconds: dict[str, float]


@runtime_checkable
class Evaluator(Protocol):
    """Turns pending trials into finished or failed ones, in any order.

    It pulls from `requests` when it has room for another trial, so that each proposal can know all that was
    finished until then.
    """

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that an objective can name."""
        ...

    def evaluate(self, requests: Iterator[Trial]) -> Iterator[Trial]: ...


@runtime_checkable
class HasTestMetrics(Protocol):
    """What an evaluator can have beside: metrics of the test split without a network, for the winner at the end."""

    def test_metrics(self, trial: Trial) -> dict[str, float]: ...


def evaluate_serially(measure: Callable[[Trial], Measurement], requests: Iterator[Trial]) -> Iterator[Trial]:
    """Measures one trial after the other, in this process."""
    return (attempt(measure, trial) for trial in requests)


def attempt(measure: Callable[[Trial], Measurement], trial: Trial) -> Trial:
    """The trial with its measurement, or failed with the reason.

    The one place where exceptions are caught: whatever a network does, the search goes on.
    """
    try:
        measurement = measure(trial)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return dataclasses.replace(trial, status="failed", error=reason)
    return dataclasses.replace(trial, status="finished", metrics=measurement.metrics, seconds=measurement.seconds)
