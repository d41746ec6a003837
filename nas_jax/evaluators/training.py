"""Trains the network of a genome in this process."""

import functools
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_jax.data.arrays import DataSource
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Measurement, Progress, Report, attempt, evaluate_serially, ignore
from nas_jax.spaces.base import NetworkSpace, Space
from nas_jax.tasks.base import Task, load_problem
from nas_jax.train.checkpoint import save_variables
from nas_jax.train.fit import Fit, OnEpoch, Prepared, num_together_of, prepare, train
from nas_jax.train.recipe import Recipe
from nas_jax.train.seeds import over_seeds
from nas_jax.trial import Trial


@dataclass(frozen=True)
class Training:
    """Trains each genome on the task by `recipe`, in full, one after the other.

    An epoch is reported once every seed has ended it, with the means over the seeds, as the trial will have them too.
    On a CPU seeds train one after the other: the reports of a trial with several come while the last one trains.

    With a `checkpoint_dir` the trained variables of a trial are left in `checkpoint_dir/<id of the trial>/<seed>`.

    Args:
        num_seeds: How often each genome is trained, from different seeds. With more than one, a metric is the mean over
            them, `<metric>_std_error` its standard error and `<metric>_per_seed` what each of `seeds` gave.
        compile_ahead: How many further trials are pulled from the requests and compiled in threads, while a device
            trains. A strategy proposes them without knowing the trial that trains, or those in between.

    Raises:
        ValueError: the space has no networks, or a number is too small.
    """

    space: Space
    source: DataSource
    task: Task
    recipe: Recipe
    checkpoint_dir: Path | None = None
    num_seeds: int = 1
    compile_ahead: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.space, NetworkSpace):
            raise ValueError(
                f"the space {type(self.space).__name__} has no networks to train; look its genomes up in a table "
                "(the evaluator tabular), or give the space the methods cost and network (docs/space.md)"
            )
        for name, least in (("num_seeds", 1), ("compile_ahead", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: has to be at least {least}")

    @property
    def metric_names(self) -> tuple[str, ...]:
        return tuple(f"val_{name}" for name in self.task.metric_names)

    def measure(self, trial: Trial, report: Report = ignore) -> Measurement:
        """The metrics of `train.fit.fit`, and `num_params` and `flops` of the genome.

        Raises:
            UserError: the trial has a budget, or continues another one.
        """
        return self._train(self._prepare(trial), trial, report)

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        if self.compile_ahead:
            return self._evaluate_ahead(requests, report)
        return evaluate_serially(self.measure, requests, report)

    def _evaluate_ahead(self, requests: Iterator[Trial], report: Report) -> Generator[Trial, None, None]:
        load_problem(self.task, self.source)  # once, and not in each thread
        pool = ThreadPoolExecutor(self.compile_ahead, thread_name_prefix="compile")
        waiting: deque[tuple[Trial, Future[Prepared]]] = deque()
        try:
            while True:
                while len(waiting) <= self.compile_ahead and (request := next(requests, None)) is not None:
                    waiting.append((request, pool.submit(self._prepare, request)))
                if not waiting:
                    return
                trial, prepared = waiting.popleft()
                yield attempt(functools.partial(self._train_when_compiled, prepared), trial, report)
        finally:
            pool.shutdown(cancel_futures=True)

    def _prepare(self, trial: Trial) -> Prepared:
        assert isinstance(self.space, NetworkSpace)  # the constructor has made sure
        _check_in_full(trial)
        network = self.space.network(trial.genome, self.recipe.dtype)
        together = num_together_of(self.recipe, self.num_seeds)
        return prepare(network, load_problem(self.task, self.source), self.recipe, num_together=together)

    def _train_when_compiled(self, prepared: Future[Prepared], trial: Trial, report: Report) -> Measurement:
        return self._train(prepared.result(), trial, report)

    def _train(self, prepared: Prepared, trial: Trial, report: Report) -> Measurement:
        assert isinstance(self.space, NetworkSpace)
        seeds = seeds_of(trial, self.num_seeds)
        fits = train(prepared, seeds, _make_on_epoch(trial, self.num_seeds, report))
        if self.checkpoint_dir is not None:
            for seed, fit in zip(seeds, fits, strict=True):
                save_variables(self.checkpoint_dir / str(trial.id) / str(seed), fit.variables)
        metrics = fits[0].metrics if len(fits) == 1 else {**_summary(fits), "seeds": seeds}
        seconds = {name: sum(fit.seconds[name] for fit in fits) for name in fits[0].seconds}
        return Measurement({**self.space.cost(trial.genome)._asdict(), **metrics}, seconds)


def seeds_of(trial: Trial, num: int) -> list[int]:
    """The trial's own seed, then others that follow from it."""
    return [trial.seed, *np.random.SeedSequence(trial.seed).generate_state(num - 1).tolist()]


def _check_in_full(trial: Trial) -> None:
    if trial.budget is not None or trial.continues is not None:
        asked = f"a budget of {trial.budget.epochs} epochs" if trial.budget else f"to continue trial {trial.continues}"
        raise UserError(
            f"trial {trial.id} asks for {asked}, and the evaluator training trains each trial in full, from the start: "
            "choose a strategy that asks for neither"
        )


def _make_on_epoch(trial: Trial, num_seeds: int, report: Report) -> OnEpoch:
    """Reports an epoch as soon as all seeds have ended it."""
    ended: defaultdict[int, list[dict[str, float]]] = defaultdict(list)  # of each epoch the metrics of the seeds so far

    def on_epoch(num_epochs: int, metrics: list[dict[str, float]]) -> None:
        of_seeds = ended[num_epochs]
        of_seeds += metrics
        if len(of_seeds) == num_seeds:
            means = {name: float(np.mean([each[name] for each in of_seeds])) for name in metrics[0]}
            report(Progress(trial.id, num_epochs, means))

    return on_epoch


def _summary(fits: Sequence[Fit]) -> dict[str, Any]:
    """Each metric over the seeds, and of the curves the mean, epoch by epoch."""
    curves = [fit.metrics["curve"] for fit in fits]
    curve = {name: np.mean([curve[name] for curve in curves], axis=0).tolist() for name in curves[0]}
    return {**over_seeds([{name: fit.metrics[name] for name in curves[0]} for fit in fits]), "curve": curve}


make = Training
