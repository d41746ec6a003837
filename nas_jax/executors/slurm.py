"""A Slurm cluster measures the trials: each is a job of its own, which submitit hands in and whose result it reads.

Neither Slurm nor submitit starts a job twice; what is lost is counted and tried again here, so that the trial records
it. The states of jobs come from Slurm's accounting (`sacct`), their progress by files in the search's folder.
"""

import atexit
import contextlib
import importlib.util
import itertools
import math
import os
import pickle
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from nas_jax.errors import UserError
from nas_jax.evaluators.base import Failure, Measuring, Report, attempt, failed, ignore
from nas_jax.executors.concurrent import Submission, evaluate_concurrently
from nas_jax.executors.limits import check_limits, limit_memory, out_of_time
from nas_jax.executors.progress_file import ProgressReader, append_progress
from nas_jax.executors.slots import worker_environment
from nas_jax.executors.source import load_source, with_mapped_source
from nas_jax.trial import Trial

_NUM_WORKERS = 8
_MINUTES = 24 * 60  # of a job whose trial has no time limit
_START_MINUTES = 10  # of a job whose trial has one, to start and to find its data
_POLL_SECONDS = 0.5  # between two looks for results
_STATE_SECONDS = 30.0  # between two questions to Slurm, each for all jobs
_RESULT_SECONDS = 15.0  # until the result of a job that has ended well is seen here, on a slow file system
_END_SECONDS = 5.0  # that jobs are given to end when they are cancelled


@dataclass(frozen=True)
class Slurm:
    """Measures each trial of `evaluator` in a Slurm job.

    Args:
        num_workers: How many jobs there are at the same time, running or waiting; None for 8.
        time_limit: Seconds after which a trial is stopped and has failed, from its start in a job that has its data;
            None for no limit but the 24 hours of the job.
        memory_gb: What a job may allocate, in 2^30 bytes; None for what the cluster gives a job.
        max_retries: How often a trial is handed in again after its job or its node was lost.
        num_cpus: CPUs of a job.
        num_gpus: GPUs of a job.
        partition: None for the cluster's default.
        folder: On a file system that all nodes share. A search has a folder of its own in it, for its data set and its
            jobs; what stays are the logs of jobs that gave no result.
        parameters: Other options of submitit's Slurm executor, such as `{"account": "nas", "constraint": "a100"}`.
        cluster: "slurm", or "local" for processes of this machine, to try things out.

    Raises:
        ValueError: a number that is too small, an unknown cluster, or no submitit.
    """

    trains_elsewhere: ClassVar[bool] = True

    evaluator: Measuring
    num_workers: int | None = None
    time_limit: float | None = None
    memory_gb: float | None = None
    max_retries: int = 2
    num_cpus: int = 1
    num_gpus: int = 0
    partition: str | None = None
    folder: str = "slurm_jobs"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cluster: str = "slurm"

    def __post_init__(self) -> None:
        check_limits(self.num_workers, self.time_limit, self.memory_gb, self.max_retries)
        if self.num_cpus < 1 or self.num_gpus < 0:
            raise ValueError(f"num_cpus has to be at least 1 and num_gpus 0, got {self.num_cpus} and {self.num_gpus}")
        if self.cluster not in ("slurm", "local"):
            raise ValueError(f"cluster={self.cluster!r}: choose from slurm, local")
        if importlib.util.find_spec("submitit") is None:
            raise ValueError("submitit is not installed: pip install 'nas_jax[slurm]'")

    @property
    def metric_names(self) -> tuple[str, ...]:
        return self.evaluator.metric_names

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        if self.cluster == "slurm" and shutil.which("srun") is None:
            raise UserError("execution: there is no srun here; start the search on a machine of the Slurm cluster")
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="search_", dir=self.folder)).absolute()
        with contextlib.ExitStack() as stack:
            stack.callback(_remove_empty, folder)
            shared = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="shared_", dir=folder, ignore_cleanup_errors=True)
            )
            # which jobs inherit
            stack.enter_context(worker_environment(num_threads=self.num_cpus, is_on_gpu=self.num_gpus > 0))
            work = Work(with_mapped_source(self.evaluator, Path(shared)), self.time_limit, self.memory_gb)
            jobs = _Jobs(partial(self._executor(folder).submit, measure_in_job, work), Path(shared))
            stack.callback(jobs.stop)
            num_slots = self.num_workers or _NUM_WORKERS
            yield from evaluate_concurrently(
                jobs, requests, report, num_slots=lambda: num_slots, max_retries=self.max_retries
            )

    def _executor(self, folder: Path) -> Any:
        import submitit

        minutes = _MINUTES if self.time_limit is None else math.ceil(self.time_limit / 60) + _START_MINUTES
        given = dict(self.parameters)
        additional = {"no-requeue": True, **given.pop("additional_parameters", {})}
        executor = submitit.AutoExecutor(folder / "%j", cluster=self.cluster)
        try:
            executor.update_parameters(
                name="nas_jax",
                timeout_min=minutes,
                mem_gb=self.memory_gb,
                cpus_per_task=self.num_cpus,
                gpus_per_node=self.num_gpus or None,
                slurm_partition=self.partition,
                slurm_additional_parameters=additional,
                **{f"slurm_{name}": value for name, value in given.items()},
            )
        except NameError as error:  # submitit's for a parameter that it does not know
            raise UserError(f"execution.parameters: {str(error).splitlines()[0]}") from error
        return executor


make = Slurm


class JobLostError(Exception):
    """A job has ended without a result."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def failure_of_state(state: str) -> Failure | None:
    """What the state of a job that gave no result says of its trial; None while the job may still give one.

    States are Slurm's (https://slurm.schedmd.com/squeue.html, job state codes) and those of submitit's local executor.
    """
    word = state.partition(" ")[0].upper()  # "CANCELLED by 1000"
    reason = f"the job ended as {state}"
    if word in ("TIMEOUT", "DEADLINE"):
        return Failure("time_limit", reason)
    if word == "OUT_OF_MEMORY":
        return Failure("out_of_memory", reason)
    if word in ("NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "REVOKED"):
        return Failure("node_lost", reason)
    if word in ("FAILED", "CANCELLED", "COMPLETED", "FINISHED", "INTERRUPTED"):
        return Failure("worker_lost", f"{reason} and gave no result")
    return None


class Work(NamedTuple):
    """What all jobs of a search do to their trials, and within which limits."""

    evaluator: Measuring
    time_limit: float | None
    memory_gb: float | None


def measure_in_job(work: Work, trial: Trial, progress_path: str) -> Trial | UserError:
    """What a job does. Its main thread keeps the time, while another one measures."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # on this signal submitit would start the job again
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # and on this one do nothing
    limit_memory(work.memory_gb)
    measured: Future[Trial] = Future()

    def measure() -> None:
        try:
            measured.set_result(attempt(work.evaluator.measure, trial, partial(append_progress, progress_path)))
        except BaseException as error:
            measured.set_exception(error)

    try:
        load_source(work.evaluator)
        threading.Thread(target=measure, daemon=True).start()
        return measured.result(work.time_limit)
    except UserError as error:
        return error  # submitit would turn what is raised into text
    except TimeoutError:
        assert work.time_limit is not None
        atexit.register(os._exit, 0)  # the other thread must not keep the process from its end
        return failed(trial, out_of_time(work.time_limit))


class _Jobs:
    """Jobs whose results are awaited, and a thread that looks for them. They leave their progress in `folder`."""

    def __init__(self, hand_in: Callable[[Trial, str], Any], folder: Path) -> None:
        self._hand_in = hand_in
        self._progress_paths = (f"{folder}/progress_{number}" for number in itertools.count())
        self._waiting: dict[Any, Future[Trial]] = {}
        self._missing_since: dict[Any, float] = {}  # of results of jobs that have ended well
        self._asked = time.monotonic()
        self._lock = threading.Lock()  # submitit's jobs share what they know of their states
        self._is_stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="slurm", daemon=True)
        self._watcher.start()

    def submit(self, trial: Trial) -> Submission:
        """Raises UserError if the cluster refuses the job."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        future: Future[Trial] = Future()
        path = next(self._progress_paths)
        with self._lock:
            try:
                job = self._hand_in(trial, path)
            except (FailedJobError, FailedSubmissionError) as error:
                raise UserError(f"execution: the cluster refuses a job: {' '.join(str(error).split())}") from error
            self._waiting[job] = future
        return Submission(future, ProgressReader(path).new)

    def level(self) -> None:
        """Nothing to do: Slurm has the jobs."""

    def failure_of(self, error: BaseException) -> Failure | None:
        return error.failure if isinstance(error, JobLostError) else None

    def stop(self) -> None:
        """Cancels the jobs that have not ended."""
        self._is_stopping.set()
        self._watcher.join()
        for job in self._waiting:
            job.cancel(check=False)
        end = time.monotonic() + _END_SECONDS
        while time.monotonic() < end and not all(job.done() for job in self._waiting):
            time.sleep(0.1)

    def _watch(self) -> None:
        while not self._is_stopping.wait(_POLL_SECONDS):
            with self._lock:
                for job in list(self._waiting):
                    try:
                        ended = self._look(job)
                    except Exception as error:  # for the search, which would wait in vain for this thread
                        ended = error
                    if ended is None:
                        continue
                    future = self._waiting.pop(job)
                    if isinstance(ended, Trial):
                        future.set_result(ended)
                        shutil.rmtree(job.paths.folder, ignore_errors=True)
                    else:
                        future.set_exception(ended)

    def _look(self, job: Any) -> Trial | Exception | None:
        """What has become of a job: its trial, why there is none, or None while it runs."""
        is_due = time.monotonic() > self._asked + _STATE_SECONDS
        if is_due:
            self._asked = time.monotonic()
        # The state first: when that says that the job has ended, its result is there.
        state = job.state
        if job.done(force_check=is_due) and job.paths.result_pickle.exists():
            return _result(job)
        failure = failure_of_state(state)
        if failure is None:
            return None
        since = self._missing_since.setdefault(job, time.monotonic())
        if state == "COMPLETED" and time.monotonic() < since + _RESULT_SECONDS:
            return None
        return JobLostError(failure._replace(reason=f"{failure.reason} (job {job.job_id}, log {job.paths.stderr})"))


def _result(job: Any) -> Trial | Exception:
    word, result = pickle.loads(job.paths.result_pickle.read_bytes())
    if word == "success":
        return result
    return UserError(
        f"execution: job {job.job_id} could not measure: {result.strip().splitlines()[-1]}; its log is "
        f"{job.paths.stderr}"
    )


def _remove_empty(folder: Path) -> None:
    """Removes a search's folder, unless logs are left in it."""
    for path in (folder / "%j", folder):  # submitit's local executor leaves the first
        with contextlib.suppress(OSError):
            path.rmdir()
