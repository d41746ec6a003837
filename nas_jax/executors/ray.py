"""A Ray cluster measures the trials: its nodes may come, go and die while the search runs.

Each trial that runs has an actor, a process of the cluster that holds its CPUs and GPUs and stays alive from trial to
trial. (A task of Ray would not do: it takes a new process for each trial on a GPU, and nobody is told when it starts.)
Ray itself starts nothing twice; what is lost is counted and tried again here, so that the trial records it. An actor
is asked for the progress of its trial while it measures, in a second thread of it.
"""

import contextlib
import importlib.util
import math
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, ClassVar

import jax

from nas_jax.data.arrays import Dataset, load
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Failure, Measuring, Progress, Report, attempt, ignore
from nas_jax.executors.concurrent import PROGRESS_SECONDS, Submission, evaluate_concurrently, take_all
from nas_jax.executors.limits import check_limits, limit_memory, out_of_time
from nas_jax.executors.plan import memory_share
from nas_jax.executors.ray_cluster import connected, failure_of_ray, in_words, package_folders, problem_of_all, room
from nas_jax.executors.slots import worker_variables
from nas_jax.executors.source import load_source, source_of, with_source
from nas_jax.executors.starving import unless_starved
from nas_jax.executors.worker import clear_every
from nas_jax.trial import Trial


@dataclass(frozen=True)
class Ray:
    """Measures the trials of `evaluator` on a Ray cluster.

    Args:
        num_workers: How many trials run at the same time; None for as many as the cluster has room for when the search
            begins. With more than that, trials wait for nodes that join later.
        time_limit: Seconds after which a trial is stopped and has failed, from its start in a process that is ready;
            None for no limit.
        memory_gb: What a trial may allocate on its node, in 2^30 bytes; None for no limit. Ray places no more trials on
            a node than its memory has room for.
        max_retries: How often a trial is started again after its process or its node was lost.
        num_cpus: CPUs of a trial, which is also how many threads its network computes with.
        num_gpus: GPUs of a trial. With a fraction, trials share a GPU and its memory. None for one where any node has
            GPUs when the search begins, and none elsewhere.
        address: Of a cluster, such as "head:6379". None for the one that the environment variable
            RAY_ADDRESS names, or that runs on this machine, or else a new one of this machine alone.
        ship: Names of packages, with commas between them, that are sent to the nodes: "nas_jax" where they have all
            that it needs, but not the package itself.

    Raises:
        ValueError: a number that is too small, a package that is not there, or no Ray.
    """

    trains_elsewhere: ClassVar[bool] = True

    evaluator: Measuring
    num_workers: int | None = None
    time_limit: float | None = None
    memory_gb: float | None = None
    max_retries: int = 2
    num_cpus: float = 1.0
    num_gpus: float | None = None
    address: str | None = None
    ship: str = ""

    def __post_init__(self) -> None:
        check_limits(self.num_workers, self.time_limit, self.memory_gb, self.max_retries)
        num_gpus = self.num_gpus or 0.0
        if self.num_cpus <= 0 or num_gpus < 0:
            raise ValueError(
                f"num_cpus has to be positive and num_gpus not negative, got {self.num_cpus} and {self.num_gpus}"
            )
        if num_gpus > 1 and num_gpus % 1:
            raise ValueError(f"num_gpus above 1 has to be whole, got {self.num_gpus}")
        package_folders(self.ship)
        if importlib.util.find_spec("ray") is None:
            raise ValueError("Ray is not installed: pip install 'nas_jax[ray]'")

    @property
    def metric_names(self) -> tuple[str, ...]:
        return self.evaluator.metric_names

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        import ray

        with connected(self.address, package_folders(self.ship)), contextlib.ExitStack() as stack:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            num_gpus = float(any(node.get("GPU") for node in nodes)) if self.num_gpus is None else self.num_gpus
            needs = self._needs(num_gpus)
            num_slots = self.num_workers or room(nodes, needs)
            if not num_slots:
                raise UserError(
                    f"execution: no node of the Ray cluster has room for a trial, which needs {in_words(needs)}; "
                    "lower that, or set execution.num_workers to wait for nodes that join"
                )
            actor_class = ray.remote(_Actor).options(
                num_cpus=self.num_cpus,
                num_gpus=num_gpus,
                memory=int(needs["memory"]) if self.memory_gb else None,
                max_concurrency=2,  # one measures, the other one says how far it has come
                max_restarts=0,
                max_task_retries=0,
                runtime_env={"env_vars": self.variables(num_gpus)},
            )
            evaluator = _with_stored_source(self.evaluator)
            actors = _Actors(
                lambda: actor_class.remote(evaluator, self.memory_gb, num_gpus), self.time_limit, num_slots
            )
            stack.callback(actors.stop)
            yield from evaluate_concurrently(
                actors, requests, report, num_slots=lambda: num_slots, max_retries=self.max_retries
            )

    def _needs(self, num_gpus: float) -> dict[str, float]:
        """What a trial needs of a node, in Ray's names and units."""
        needs = {"CPU": self.num_cpus, "GPU": num_gpus, "memory": (self.memory_gb or 0) * 2**30}
        return {name: float(amount) for name, amount in needs.items() if amount}

    def variables(self, num_gpus: float) -> dict[str, str]:
        """The environment variables of the process of a trial that has so many GPUs."""
        variables = worker_variables(num_threads=max(1, int(self.num_cpus)), is_on_gpu=num_gpus > 0)
        if num_gpus:
            variables["XLA_CLIENT_MEM_FRACTION"] = f"{memory_share(min(1.0, num_gpus)):.3f}"
        return variables


make = Ray


@dataclass(frozen=True)
class _Stored:
    """A data set in Ray's object store: no node has to have its files, and the trials on one share one copy."""

    reference: Any

    def load(self) -> Dataset:
        import ray

        return ray.get(self.reference)


def _with_stored_source(evaluator: Measuring) -> Measuring:
    """The evaluator with its data set, if it has one, in Ray's object store."""
    import ray

    source = source_of(evaluator)
    return evaluator if source is None else with_source(evaluator, _Stored(ray.put(load(source))))


class _Actor:
    """Measures trials in a process of the cluster."""

    def __init__(self, evaluator: Measuring, memory_gb: float | None, num_gpus: float) -> None:
        limit_memory(memory_gb)
        self._evaluator, self._num_gpus = evaluator, num_gpus
        self._progress: list[Progress] = []  # of the trial that runs
        self._num_ended = 0

    def prepare(self) -> None:
        """Returns when the process is ready to measure: the clock of a trial starts then."""
        load_source(self._evaluator)

    def measure(self, trial: Trial) -> tuple[Trial | Failure, list[Progress]]:
        """The trial with its measurement, or why it may be begun again, and all its progress."""
        ended = attempt(self._evaluator.measure, trial, self._progress.append)
        self._num_ended += 1
        if self._num_ended % clear_every(is_on_gpu=self._num_gpus > 0) == 0:
            jax.clear_caches()
        progress, self._progress = self._progress, []
        if self._num_gpus:
            return unless_starved(ended, min(1.0, self._num_gpus)), progress
        return ended, progress

    def new_progress(self, num_known: int) -> list[Progress]:
        """The progress of the trial that runs, but for the first `num_known`. Runs beside `measure`."""
        return self._progress[num_known:]


class _Actors:
    """The actors, and for each trial a thread here that waits for the first of them that is free, and for its result.

    A trial is not bound to an actor of its own: after a node is lost, a new actor may have to wait for room that only
    the end of the search would give.
    """

    def __init__(self, make_actor: Callable[[], Any], time_limit: float | None, num_slots: int) -> None:
        self._make_actor, self._time_limit = make_actor, time_limit
        self._actors: set[Any] = set()  # that start, are free or measure; as many as trials, or more
        self._free: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()  # with an error if one cannot start
        self._num_trials = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(num_slots, thread_name_prefix="ray")

    def submit(self, trial: Trial) -> Submission:
        with self._lock:
            self._num_trials += 1
            if self._num_trials > len(self._actors):
                self._start()
        told: SimpleQueue[Progress] = SimpleQueue()
        return Submission(self._threads.submit(self._measure, trial, told.put), partial(take_all, told))

    def level(self) -> None:
        """Nothing to do: what waits, waits for any of the actors."""

    def failure_of(self, error: BaseException) -> Failure | None:
        if isinstance(error, TimeoutError) and self._time_limit is not None:
            return out_of_time(self._time_limit)
        return failure_of_ray(error)

    def _start(self) -> None:
        actor = self._make_actor()
        self._actors.add(actor)
        prepared = actor.prepare.remote().future()
        prepared.add_done_callback(lambda prepared: self._free.put((actor, prepared.exception())))

    def _measure(self, trial: Trial, report: Report) -> Trial | Failure:
        import ray

        actor, error = self._free.get()
        try:
            if error is not None:
                raise error
            ended = self._follow(actor, trial, report)
        except Exception as error:  # the actor is dead, busy or out of reach
            with self._lock:
                self._num_trials -= 1
                self._actors.discard(actor)
            ray.kill(actor)
            if problem := problem_of_all(error):
                raise problem from error
            raise
        with self._lock:
            self._num_trials -= 1
        self._free.put((actor, None))
        return ended

    def _follow(self, actor: Any, trial: Trial, report: Report) -> Trial | Failure:
        """What has become of the trial, measured by the actor, which is asked for progress while it measures.

        Raises:
            TimeoutError: the time limit has passed.
        """
        import ray

        end = math.inf if self._time_limit is None else time.monotonic() + self._time_limit
        measured, asked, num_known = actor.measure.remote(trial), None, 0

        def tell(progress: list[Progress]) -> int:
            for each in progress:
                report(each)
            return len(progress)

        while True:
            waiting = [measured] if asked is None else [measured, asked]
            left = end - time.monotonic()
            ready, _ = ray.wait(waiting, timeout=min(PROGRESS_SECONDS, max(0.0, left)))
            if measured in ready:
                ended, progress = ray.get(measured)
                tell(progress[num_known:])
                return ended
            if left <= 0:
                raise TimeoutError
            if asked in ready:
                num_known += tell(ray.get(asked))
                asked = None
            elif asked is None:
                asked = actor.new_progress.remote(num_known)

    def stop(self) -> None:
        """Ends the actors, whatever they do."""
        import ray

        with self._lock:
            actors = list(self._actors)
        for actor in actors:
            ray.kill(actor)
        self._threads.shutdown(cancel_futures=True)
