"""What it costs to hand a trial to another process, and what a second worker brings.

    python experiments/scaling/run.py

Writes results.csv beside this file: one row a measurement when it is known, with the load of the machine when it began.
"""

import argparse
import csv
import importlib.util
import itertools
import os
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_jax.data.digits import Digits
from nas_jax.evaluators.base import Measurement, Measuring, Report, evaluate_serially, ignore
from nas_jax.evaluators.training import Training
from nas_jax.executors.ray import Ray
from nas_jax.executors.slurm import Slurm
from nas_jax.executors.workers import Workers
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.classification import Classification
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Trial

WAIT = ("wait",)
RESULTS = Path(__file__).with_name("results.csv")


@dataclass(frozen=True)
class Nothing:
    """Takes no time, so that what is left is the way there and back; but for a genome "wait", of 0.2 seconds."""

    metric_names = ("val_accuracy",)

    def measure(self, trial: Trial, report: Report = ignore) -> Measurement:
        if trial.genome == WAIT:
            time.sleep(0.2)
        return Measurement({"val_accuracy": 0.0, "process": os.getpid()}, {"compile": 0.0, "train": 0.0})

    def evaluate(self, requests: Iterator[Trial], report: Report = ignore) -> Generator[Trial, None, None]:
        return evaluate_serially(self.measure, requests, report)


def make(engine: str, evaluator: Measuring, num_workers: int, folder: str) -> Workers | Ray | Slurm:
    if engine == "workers":
        return Workers(evaluator, num_workers=num_workers)
    if engine == "ray":  # a cluster of its own, which believes to have a CPU for each worker
        return Ray(evaluator, num_workers=num_workers, num_cpus=2 / num_workers, address="local")
    return Slurm(evaluator, num_workers=num_workers, cluster="local", folder=folder)


def measure_trainings(execution: Workers | Ray | Slurm, trials: list[Trial], num_warm: int) -> dict[str, float]:
    """Seconds until the first trial is back, and seconds a trial of those after the first `num_warm`."""
    begun = time.perf_counter()
    times = [time.perf_counter() - begun for _ in finished(execution.evaluate(iter(trials)))]
    seconds = (times[-1] - times[num_warm - 1]) / (len(times) - num_warm)
    return {"first_seconds": round(times[0], 2), "seconds_a_trial": round(seconds, 5)}


def measure_dispatch(execution: Workers | Ray | Slurm, num_workers: int, num_trials: int) -> dict[str, float]:
    """As `measure_trainings`, of trials that take no time, once all workers have answered."""
    begun, processes, times = time.perf_counter(), set[int](), []

    def requests() -> Iterator[Trial]:
        ids = itertools.count()
        while len(processes) < num_workers:
            yield Trial(next(ids), WAIT, "wait", "search", seed=0)
        for _ in range(num_trials):
            yield Trial(next(ids), ("nothing",), "nothing", "search", seed=0)

    first = 0.0
    for trial in finished(execution.evaluate(requests())):
        first = first or time.perf_counter() - begun
        processes.add((trial.metrics or {})["process"])
        if trial.genome != WAIT:
            times.append(time.perf_counter())
    return {"first_seconds": round(first, 2), "seconds_a_trial": round((times[-1] - times[0]) / (num_trials - 1), 5)}


def finished(trials: Iterator[Trial]) -> Iterator[Trial]:
    for trial in trials:
        if trial.status != "finished":
            raise RuntimeError(trial.error)
        yield trial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_trials", type=int, default=2000, help="that take no time, once all workers are up")
    parser.add_argument("--num_rounds", type=int, default=1)
    parser.add_argument("--num_workers", type=int, nargs="+", default=[1, 10, 100], help="processes")
    parser.add_argument("--num_ray_workers", type=int, nargs="+", default=[1, 10])
    arguments = parser.parse_args()
    if lacking := [name for name in ("ray", "submitit") if importlib.util.find_spec(name) is None]:
        parser.error(f'{", ".join(lacking)} not installed: pip install -e ".[ray,slurm]"')
    space = Chain((8, 8, 1), 10, conv_filters=(16, 32), fc_units=(64,), max_feature_layers=2)
    recipe = Recipe(num_epochs=8, batch_size=64, learning_rate=0.05, warmup_epochs=1.0)
    training = Training(space, Digits(), Classification(), recipe)
    chains = space.sample(np.random.default_rng(0), 6)
    rows: list[dict[str, object]] = []

    def record(evaluator: Training | Nothing, engine: str, num_workers: int) -> None:
        load = round(os.getloadavg()[0], 1)
        with tempfile.TemporaryDirectory() as folder:
            execution = make(engine, evaluator, num_workers, folder)
            if isinstance(evaluator, Training):  # the first chain once in each worker, and then all
                genomes = [chains[0]] * num_workers + chains
                trials = [Trial(i, genome, str(genome), "search", seed=i) for i, genome in enumerate(genomes)]
                measured = measure_trainings(execution, trials, num_workers)
            elif engine == "slurm, local":  # a process a trial
                trials = [Trial(i, ("nothing",), "nothing", "search", seed=i) for i in range(20 + num_workers)]
                measured = measure_trainings(execution, trials, num_workers)
            else:
                measured = measure_dispatch(execution, num_workers, arguments.num_trials)
        what = type(evaluator).__name__.lower()
        rows.append({"trials": what, "engine": engine, "num_workers": num_workers, "load": load, **measured})
        print(*rows[-1].values(), sep="  ", flush=True)
        with RESULTS.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    for _ in range(arguments.num_rounds):
        for engine, numbers in (("workers", arguments.num_workers), ("ray", arguments.num_ray_workers)):
            for num_workers in (1, 2):
                record(training, engine, num_workers)
            for num_workers in numbers:
                record(Nothing(), engine, num_workers)
        for num_workers in (1, 10):
            record(Nothing(), "slurm, local", num_workers)


if __name__ == "__main__":
    main()
