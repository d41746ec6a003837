"""Trains the network of a genome in this process."""

import threading
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nas_jax.data.arrays import DataSource
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Measurement, Prepared, Progress, Report, evaluate_serially, ignore
from nas_jax.evaluators.deployed import DEPLOYED, deployed_metrics, is_broken, wanted_of
from nas_jax.objectives import Objectives
from nas_jax.spaces.base import NetworkSpace, Space
from nas_jax.tasks.base import Problem, Task, load_problem
from nas_jax.train import fit
from nas_jax.train.checkpoint import save_variables
from nas_jax.train.recipe import Recipe
from nas_jax.train.seeds import over_seeds
from nas_jax.trial import Trial

_loading = threading.Lock()  # of the data set, which several threads may ask for at the same time


@dataclass(frozen=True)
class Training:
    """Trains each genome on the task by `recipe`, in full, one after the other.

    Seeds of a genome train one after the other. An epoch is reported once every seed has ended it, with the means over
    the seeds, as the trial will have them too: the reports of a trial with several come while the last one trains.

    With a `checkpoint_dir` the trained variables of a trial are left in `checkpoint_dir/<id of the trial>/<seed>`.

    Args:
        num_seeds: How often each genome is trained, from different seeds. With more than one, a metric is the mean over
            them, `<metric>_std_error` its standard error and `<metric>_per_seed` what each of `seeds` gave.
        latency_batch_size: Inputs of a call whose latency, throughput or peak memory is measured.
        objectives: What the metrics are for: those of `deployed.DEPLOYED` are measured if they are asked for, and what
            breaks a constraint by them is not trained.

    Raises:
        ValueError: the space has no networks, or a number is too small.
    """

    space: Space
    source: DataSource
    task: Task
    recipe: Recipe
    checkpoint_dir: Path | None = None
    num_seeds: int = 1
    latency_batch_size: int = 1
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.space, NetworkSpace):
            raise ValueError(
                f"the space {type(self.space).__name__} has no networks to train; look its genomes up in a table "
                "(the evaluator tabular), or give the space the methods cost and network (docs/space.md)"
            )
        if min(self.num_seeds, self.latency_batch_size) < 1:
            raise ValueError(
                f"num_seeds={self.num_seeds}, latency_batch_size={self.latency_batch_size}: have to be at least 1"
            )

    @property
    def metric_names(self) -> tuple[str, ...]:
        return (*(f"val_{name}" for name in self.task.metric_names), *DEPLOYED)

    def measure(self, trial: Trial, report: Report = ignore) -> Measurement:
        """The metrics of `train.fit.fit`, and `num_params` and `flops` of the genome.

        Raises:
            UserError: the trial has a budget, or continues another one.
        """
        return self.prepare(trial)(report)

    def prepare(self, trial: Trial) -> Prepared:
        """Compiles the network of a trial, and returns what trains it. Errors are those of `measure`."""
        assert isinstance(self.space, NetworkSpace)  # the constructor has made sure
        _check_in_full(trial)
        network = self.space.network(trial.genome, self.recipe.dtype)
        return partial(self._train, trial, fit.prepare(network, self._problem(), self.recipe))

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        return evaluate_serially(self.measure, requests, report)

    def _problem(self) -> Problem:
        with _loading:
            return load_problem(self.task, self.source)

    def _train(self, trial: Trial, prepared: fit.Prepared, report: Report) -> Measurement:
        assert isinstance(self.space, NetworkSpace)
        deployed = self._deployed(trial)
        if is_broken(self.objectives, deployed):
            cost = self.space.cost(trial.genome)._asdict()
            return Measurement({**cost, **deployed, "is_infeasible": True}, {"compile": 0.0, "train": 0.0})
        seeds = seeds_of(trial, self.num_seeds)
        fits = fit.train(prepared, seeds, _make_on_epoch(trial, self.num_seeds, report))
        if self.checkpoint_dir is not None:
            for seed, each in zip(seeds, fits, strict=True):
                save_variables(self.checkpoint_dir / str(trial.id) / str(seed), each.variables)
        metrics = fits[0].metrics if len(fits) == 1 else {**_summary(fits), "seeds": seeds}
        seconds = {name: sum(each.seconds[name] for each in fits) for name in fits[0].seconds}
        return Measurement({**self.space.cost(trial.genome)._asdict(), **deployed, **metrics}, seconds)

    def _deployed(self, trial: Trial) -> dict[str, float]:
        """What the network of a trial costs where it will run, as far as that is asked for."""
        assert isinstance(self.space, NetworkSpace)
        if not (wanted := wanted_of(self.objectives)):
            return {}
        network = self.space.network(trial.genome, np.dtype(np.float32))
        return deployed_metrics(network, self._problem(), wanted, self.latency_batch_size)


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


def _make_on_epoch(trial: Trial, num_seeds: int, report: Report) -> fit.OnEpoch:
    """Reports an epoch as soon as all seeds have ended it."""
    ended: defaultdict[int, list[dict[str, float]]] = defaultdict(list)  # of each epoch the metrics of the seeds so far

    def on_epoch(num_epochs: int, metrics: dict[str, float]) -> None:
        of_seeds = ended[num_epochs]
        of_seeds.append(metrics)
        if len(of_seeds) == num_seeds:
            means = {name: float(np.mean([each[name] for each in of_seeds])) for name in metrics}
            report(Progress(trial.id, num_epochs, means))

    return on_epoch


def _summary(fits: Sequence[fit.Fit]) -> dict[str, Any]:
    """Each metric over the seeds, and of the curves the mean, epoch by epoch."""
    curves = [each.metrics["curve"] for each in fits]
    curve = {name: np.mean([curve[name] for curve in curves], axis=0).tolist() for name in curves[0]}
    return {**over_seeds([{name: each.metrics[name] for name in curves[0]} for each in fits]), "curve": curve}


make = Training
