"""What every evaluator is: a stream of trials in, the same trials with their metrics out."""

import dataclasses
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from nas_jax.data.arrays import DataSource
from nas_jax.errors import UserError, storage_problem
from nas_jax.evaluators.plain import plain_metrics, plain_seconds
from nas_jax.trial import FailureKind, Trial

# Of XLA on any device, of CUDA, and of CUDA's libraries, which allocate beside XLA.
_OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "CUDA_ERROR_OUT_OF_MEMORY", "STATUS_ALLOC_FAILED")


class Measurement(NamedTuple):
    """What measuring a genome gave: metrics by name, and the seconds of "compile" and "train".

    Both may have NumPy's and JAX's numbers; `attempt` makes plain ones of them, see `evaluators.plain`.
    """

    metrics: dict[str, Any]
    seconds: dict[str, float]


class Progress(NamedTuple):
    """How far a measurement has come: the metrics of an epoch, as soon as it has ended; or a note, without metrics."""

    trial: int  # its id
    num_epochs: int  # that have ended
    metrics: dict[str, float]
    note: str | None = None  # a line for a person


Report: TypeAlias = Callable[[Progress], None]
Prepared: TypeAlias = Callable[[Report], Measurement]  # measures a trial that is compiled


def ignore(progress: Progress) -> None:
    """A report that nobody reads."""


class Failure(NamedTuple):
    """Why a trial has no measurement: the kind, one line, and whether others on its device may be the cause."""

    kind: FailureKind
    reason: str
    may_be_of_others: bool = False

    @property
    def is_of_infrastructure(self) -> bool:
        """Whether a machine failed and perhaps not the trial, which may then be tried again."""
        return self.kind in ("worker_lost", "node_lost") or self.may_be_of_others


@runtime_checkable
class Evaluator(Protocol):
    """Turns pending trials into finished or failed ones, in any order.

    It pulls from `requests` when it has room for another trial, so that each proposal can know all that was
    finished until then. Closing the generator stops what is running; those trials stay as they were. `report` is
    called in the thread that pulls from the generator.
    """

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that an objective can name."""
        ...

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]: ...


@runtime_checkable
class Measuring(Protocol):
    """An evaluator that measures trials one by one, and so can be sent to other processes. It has to pickle."""

    @property
    def metric_names(self) -> tuple[str, ...]: ...

    def measure(self, trial: Trial, report: Report = ignore) -> Measurement:
        """The measurement of a trial. `report` is told of each epoch; what measures at once need not call it."""
        ...


@runtime_checkable
class Preparing(Measuring, Protocol):
    """A measuring evaluator, of whose work a part needs no device and can be done ahead: compilation."""

    def prepare(self, trial: Trial) -> Prepared:
        """Does that part, in any thread, and returns what does the rest: what `measure` would return."""
        ...


@runtime_checkable
class HasSource(Measuring, Protocol):
    """What a measuring evaluator can have beside: a data set, which is sent to other processes in another form.

    It is a dataclass with this field, of which a copy gets another source. None is for no data set.
    """

    @property
    def source(self) -> DataSource | None: ...


@runtime_checkable
class HasTestMetrics(Protocol):
    """What an evaluator can have beside: metrics of the test split without a network, for the winner at the end."""

    def test_metrics(self, trial: Trial) -> dict[str, float]: ...


@runtime_checkable
class Converting(Protocol):
    """An evaluator that makes fractions of accuracies in percent."""

    @property
    def from_percent(self) -> Mapping[str, str]:
        """For each such metric of this evaluator, the column in percent that it comes from."""
        ...


@runtime_checkable
class LooksUp(Protocol):
    """An evaluator that finds its metrics in columns of a table."""

    @property
    def digests(self) -> Mapping[str, str]:
        """The SHA-256 of the table, as "path"."""
        ...

    def columns_of(self, metric: str) -> tuple[str, ...]:
        """Those in which a metric is looked up."""
        ...


@runtime_checkable
class OnDemand(Protocol):
    """An evaluator that has some of its metrics only where an objective or a constraint names them."""

    @property
    def measured_names(self) -> tuple[str, ...]:
        """Those of `metric_names` that its trials have, by what they are for."""
        ...


def evaluate_serially(
    measure: Callable[[Trial, Report], Measurement], requests: Iterator[Trial], report: Report = ignore
) -> Generator[Trial, None, None]:
    """Measures one trial after the other, in this process."""
    return (attempt(measure, trial, report) for trial in requests)


def attempt(measure: Callable[[Trial, Report], Measurement], trial: Trial, report: Report = ignore) -> Trial:
    """The trial with its measurement, or failed with the reason. What it reports and measures is plain data.

    The one place where the exceptions of a measurement are caught: whatever a network does, the search goes on. A
    metric that is no number is such an exception.

    Raises:
        UserError: what the next trial would meet as well: the measurement's own UserErrors, and a full disk.
    """

    def report_plain(progress: Progress) -> None:
        num_epochs = int(progress.num_epochs)
        report(Progress(progress.trial, num_epochs, plain_metrics(progress.metrics), progress.note))

    try:
        measurement = measure(trial, report_plain)
        metrics, seconds = plain_metrics(measurement.metrics), plain_seconds(measurement.seconds)
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and (problem := storage_problem(error)):
            raise UserError(problem) from error
        return failed(trial, failure_of(error))
    return dataclasses.replace(trial, status="finished", metrics=metrics, seconds=seconds)


def failed(trial: Trial, failure: Failure) -> Trial:
    return dataclasses.replace(trial, status="failed", failure=failure.kind, error=failure.reason)


def failure_of(error: Exception) -> Failure:
    """What an exception of a measurement means."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, FloatingPointError):
        return Failure("non_finite", reason)
    if isinstance(error, MemoryError) or is_of_device_memory(reason):
        return Failure("out_of_memory", reason)
    return Failure("error", reason)


def is_of_device_memory(reason: str) -> bool:
    """Whether a measurement has failed because XLA, CUDA or one of its libraries got no memory."""
    return any(word in reason for word in _OUT_OF_MEMORY)
