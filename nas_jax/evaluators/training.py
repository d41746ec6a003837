"""Trains the network of a genome in this process."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nas_jax.budgets import Budgets
from nas_jax.data.arrays import DataSource, load
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Measurement, Prepared, Progress, Report, evaluate_serially, ignore
from nas_jax.evaluators.deployed import Deployed, compile_deployed, is_broken, measured_for, wanted_of
from nas_jax.metrics import DEPLOYED
from nas_jax.objectives import Objectives
from nas_jax.spaces.base import NetworkSpace, Space
from nas_jax.tasks.base import Problem, Task, class_metric_names, load_problem
from nas_jax.train import fit
from nas_jax.train.checkpoint import save_dtype, save_variables
from nas_jax.train.recipe import Recipe
from nas_jax.train.schedules import num_trunk_epochs
from nas_jax.train.seeds import over_seeds
from nas_jax.train.states import read_state, write_state
from nas_jax.trial import Trial

_loading = threading.Lock()  # of the data set, which several threads may ask for at the same time


@dataclass(frozen=True)
class Training:
    """Trains each genome on the task by `recipe`, one after the other, for the epochs of the trial's budget.

    Seeds of a genome train one after the other. An epoch is reported once every seed has ended it, with the means over
    the seeds, as the trial will have them too: the reports of a trial with several come while the last one trains.

    A training that stops before the recipe's last epoch leaves its state in `state_dir/<seed of the trial>/`, if there
    is a `state_dir`. A trial that continues another one has its seed, and goes on from the state that came furthest;
    where there is none, it trains from the first epoch, which gives the same and takes longer.

    With a `checkpoint_dir` the trained variables of a trial are left in `checkpoint_dir/<id of the trial>/<seed>`, and
    beside them what they were computed in.

    Args:
        num_seeds: How often each genome is trained, from different seeds. With more than one, a metric is the mean over
            them, `<metric>_std_error` its standard error and `<metric>_per_seed` what each of `seeds` gave.
        latency_batch_size: Inputs of a call whose latency, throughput or peak memory is measured.
        objectives: What the metrics are for: those of `deployed.DEPLOYED` and of single classes are measured if they
            are asked for, and what breaks a constraint by the former is not trained.

    Raises:
        ValueError: the space has no networks, or a number is too small.
    """

    space: Space
    source: DataSource
    task: Task
    recipe: Recipe
    checkpoint_dir: Path | None = None
    state_dir: Path | None = None
    num_seeds: int = 1
    latency_batch_size: int = 1
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.space, NetworkSpace):
            raise ValueError(
                f"the space {type(self.space).__name__} has no networks to train; look its genomes up in a table "
                "(the evaluator tabular), or give the space the methods cost and network (docs/space.md)"
            )
        for name in ("num_seeds", "latency_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: has to be at least 1")

    @property
    def metric_names(self) -> tuple[str, ...]:
        of_classes = class_metric_names(self.task, load(self.source).class_names)
        return (*(f"val_{name}" for name in self.task.metric_names), *DEPLOYED, *(f"val_{name}" for name in of_classes))

    @property
    def measured_names(self) -> tuple[str, ...]:
        """The metrics of the task, and of all others those that the objectives need."""
        needed = self.objectives.needed if self.objectives else ()
        always = (*(f"val_{name}" for name in self.task.metric_names), *measured_for(wanted_of(self.objectives)))
        return tuple(name for name in self.metric_names if name in (*always, *needed))

    @property
    def budgets(self) -> Budgets:
        """Every number of epochs up to the recipe's that comes out of the warm-up.

        What a network has learned by its end tells nothing of what it will learn (`experiments/search_on_cifar10`).
        """
        smallest = min(int(self.recipe.warmup_epochs) + 1, self.recipe.num_epochs)
        if_one = "no epoch but the last one is out of the warm-up; raise recipe.num_epochs, lower recipe.warmup_epochs"
        return Budgets(tuple(range(smallest, self.recipe.num_epochs + 1)), if_one)

    def measure(self, trial: Trial, report: Report = ignore) -> Measurement:
        """The metrics of `train.fit.fit` after the last epoch, and `num_params` and `flops` of the genome.

        The curve begins with the first epoch of the first trial that was continued, the seconds are of this one alone.

        Raises:
            UserError: the recipe has fewer epochs than the trial's budget.
        """
        return self.prepare(trial)(report)

    def prepare(self, trial: Trial) -> Prepared:
        """Compiles the network of a trial, and returns what trains it. Errors are those of `measure`.

        One that breaks a constraint by what its deployed program is known to cost is not compiled for a training.
        """
        assert isinstance(self.space, NetworkSpace)  # the constructor has made sure
        self._check_budget(trial)
        deployed = self._deployed(trial)
        if deployed is not None and is_broken(self.objectives, deployed.known):
            return partial(self._left_out, trial, deployed.known, deployed.seconds)
        network = self.space.network(trial.genome, self.recipe.dtype)
        return partial(self._train, trial, fit.prepare(network, self._problem(), self.recipe), deployed)

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        return evaluate_serially(self.measure, requests, report)

    def _problem(self) -> Problem:
        with _loading:
            return load_problem(self.task, self.source, self.objectives.needed if self.objectives else ())

    def _check_budget(self, trial: Trial) -> None:
        most = self.recipe.num_epochs
        if trial.budget is not None and not 1 <= trial.budget.epochs <= most:
            raise UserError(
                f"trial {trial.id} asks for a budget of {trial.budget.epochs} epochs, and the recipe has 1 to {most}: "
                "raise recipe.num_epochs, or choose other budgets for the strategy"
            )

    def _train(self, trial: Trial, prepared: fit.Prepared, deployed: Deployed | None, report: Report) -> Measurement:
        assert isinstance(self.space, NetworkSpace)
        told, more_seconds = ({}, 0.0) if deployed is None else (deployed.measure(), deployed.seconds)
        if is_broken(self.objectives, told):
            return self._left_out(trial, told, prepared.seconds + more_seconds, report)
        seeds = seeds_of(trial, self.num_seeds)
        fits = fit.train(prepared, seeds, _make_on_epoch(trial, self.num_seeds, report), self._leg(trial))
        if trial.continues is not None and any(each.start is None for each in fits):
            text = f"trial {trial.id} found no state of trial {trial.continues}, and was trained from the first epoch"
            report(Progress(trial.id, 0, {}, text))
        self._keep(trial, dict(zip(seeds, fits, strict=True)), report)
        if self.checkpoint_dir is not None:
            save_dtype(self.checkpoint_dir / str(trial.id), self.recipe.dtype)
            for seed, each in zip(seeds, fits, strict=True):
                save_variables(self.checkpoint_dir / str(trial.id) / str(seed), each.variables)
        metrics = fits[0].metrics if len(fits) == 1 else {**_summary(fits), "seeds": seeds}
        seconds = {name: sum(each.seconds[name] for each in fits) for name in fits[0].seconds}
        seconds["compile"] += more_seconds
        return Measurement({**self.space.cost(trial.genome)._asdict(), **told, **metrics}, seconds)

    def _left_out(self, trial: Trial, told: dict[str, float], compile_seconds: float, report: Report) -> Measurement:
        """Of a trial that is not trained, since it breaks a constraint by what is known before."""
        assert isinstance(self.space, NetworkSpace)
        metrics = {**self.space.cost(trial.genome)._asdict(), **told, "is_infeasible": True}
        return Measurement(metrics, {"compile": compile_seconds, "train": 0.0})

    def _deployed(self, trial: Trial) -> Deployed | None:
        """The network of a trial as it will run, if anybody asks for what that costs."""
        assert isinstance(self.space, NetworkSpace)
        if not (wanted := wanted_of(self.objectives)):
            return None
        network = self.space.network(trial.genome, np.dtype(np.float32))
        return compile_deployed(network, self._problem(), wanted, self.latency_batch_size)

    def _leg(self, trial: Trial) -> fit.Leg:
        """What a trial asks for. What it goes on with is looked for when a seed begins."""
        num_epochs = trial.budget.epochs if trial.budget else self.recipe.num_epochs
        folder = self._state_folder(trial)
        if folder is None:
            return fit.Leg(num_epochs)
        is_kept = num_epochs < self.recipe.num_epochs
        if trial.continues is None:
            return fit.Leg(num_epochs, is_kept)
        most, identity = num_trunk_epochs(self.recipe, num_epochs), self._identity(trial)
        return fit.Leg(num_epochs, is_kept, lambda seed: read_state(folder, seed, most, identity))

    def _keep(self, trial: Trial, fits: dict[int, fit.Fit], report: Report) -> None:
        """Writes the states of a trial. One that cannot be written is lost, and nothing else."""
        folder = self._state_folder(trial)
        for seed, each in fits.items():
            if folder is None or each.stopped is None:
                continue
            try:
                write_state(folder, seed, each.stopped, self._identity(trial))
            except OSError as error:
                lost = f"the state of trial {trial.id} could not be kept ({error.strerror})"
                report(Progress(trial.id, 0, {}, f"{lost}: what continues it trains that part again"))
                return

    def _state_folder(self, trial: Trial) -> Path | None:
        """Where the states of a training are; None where none are kept, as on a machine without the run's folder."""
        return self.state_dir / str(trial.seed) if self.state_dir is not None and self.state_dir.is_dir() else None

    def _identity(self, trial: Trial) -> str:
        """The same for all trials of a training, and for no others of the run."""
        text = f"{trial.genome!r} {trial.seed} {self.recipe!r} {self.num_seeds}"
        return hashlib.sha256(text.encode()).hexdigest()


def seeds_of(trial: Trial, num: int) -> list[int]:
    """The trial's own seed, then others that follow from it."""
    return [trial.seed, *np.random.SeedSequence(trial.seed).generate_state(num - 1).tolist()]


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
