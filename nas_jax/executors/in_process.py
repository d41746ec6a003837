"""No other process: the evaluator itself measures, one trial after the other unless it does otherwise."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from nas_jax.evaluators.base import Evaluator
from nas_jax.trial import Trial


@dataclass(frozen=True)
class InProcess:
    """Passes the trials on to `evaluator`. Its other fields are those that other executions have, and stay as they are.

    Raises:
        ValueError: a limit that cannot be kept in the search's own process, or more than one worker.
    """

    evaluator: Evaluator
    num_workers: int | None = None
    time_limit: float | None = None
    memory_gb: float | None = None
    max_retries: int = 2

    def __post_init__(self) -> None:
        if self.num_workers not in (None, 1) or self.time_limit is not None or self.memory_gb is not None:
            raise ValueError(
                "one trial at a time, without limits of time and memory: set execution.name=workers for more"
            )

    @property
    def metric_names(self) -> tuple[str, ...]:
        return self.evaluator.metric_names

    def evaluate(self, requests: Iterator[Trial]) -> Generator[Trial, None, None]:
        return self.evaluator.evaluate(requests)


make = InProcess
