"""No other process: the evaluator itself measures, one trial after the other unless it does otherwise."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from nas_jax.evaluators.base import Evaluator, Report, ignore
from nas_jax.trial import Trial


@dataclass(frozen=True)
class InProcess:
    """Passes the trials on to `evaluator`."""

    evaluator: Evaluator

    @property
    def metric_names(self) -> tuple[str, ...]:
        return self.evaluator.metric_names

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        return self.evaluator.evaluate(requests, report)


make = InProcess
