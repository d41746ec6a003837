"""No other process: the evaluator itself measures, one trial after the other unless it does otherwise."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import jax

from nas_jax.evaluators.base import Evaluator, Preparing, Report, ignore
from nas_jax.executors.ahead import Pace, check_compile_ahead, evaluate_ahead
from nas_jax.executors.plan import num_compile_threads
from nas_jax.executors.slots import own_cores
from nas_jax.trial import Trial


@dataclass(frozen=True)
class InProcess:
    """Passes the trials on to `evaluator`.

    Args:
        compile_ahead: How many further trials are proposed and compiled in threads while one trains; 0 for none, None
            for as many as keep a GPU from waiting, and none on a CPU. An evaluator that compiles nothing has none.

    Raises:
        ValueError: a negative number.
    """

    evaluator: Evaluator
    compile_ahead: int | None = None

    def __post_init__(self) -> None:
        check_compile_ahead(self.compile_ahead)

    @property
    def metric_names(self) -> tuple[str, ...]:
        return self.evaluator.metric_names

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        if isinstance(self.evaluator, Preparing):
            is_on_gpu = jax.default_backend() == "gpu"
            pace = Pace(self.compile_ahead, num_compile_threads(len(own_cores()), is_on_gpu=is_on_gpu))
            if pace.num_threads:
                return evaluate_ahead(self.evaluator, requests, report, pace)
        return self.evaluator.evaluate(requests, report)


make = InProcess
