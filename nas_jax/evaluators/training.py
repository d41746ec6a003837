"""Trains the network of a genome in this process."""

import functools
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_jax.data.arrays import DataSource, load
from nas_jax.evaluators.base import Measurement, attempt, evaluate_serially
from nas_jax.spaces.base import NetworkSpace, Space
from nas_jax.train.checkpoint import save_variables
from nas_jax.train.fit import Fit, Prepared, num_together_of, prepare, train
from nas_jax.train.recipe import Recipe
from nas_jax.train.seeds import over_seeds
from nas_jax.trial import Trial


@dataclass(frozen=True)
class Training:
    """Trains each genome by `recipe`, one after the other.

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
        return ("val_accuracy", "val_loss")

    def measure(self, trial: Trial) -> Measurement:
        """The metrics of `train.fit.fit`, and `num_params` and `flops` of the genome."""
        return self._train(self._prepare(trial), trial)

    def evaluate(self, requests: Iterator[Trial]) -> Generator[Trial, None, None]:
        return self._evaluate_ahead(requests) if self.compile_ahead else evaluate_serially(self.measure, requests)

    def _evaluate_ahead(self, requests: Iterator[Trial]) -> Generator[Trial, None, None]:
        load(self.source)  # once, and not in each thread
        pool = ThreadPoolExecutor(self.compile_ahead, thread_name_prefix="compile")
        waiting: deque[tuple[Trial, Future[Prepared]]] = deque()
        try:
            while True:
                while len(waiting) <= self.compile_ahead and (request := next(requests, None)) is not None:
                    waiting.append((request, pool.submit(self._prepare, request)))
                if not waiting:
                    return
                trial, prepared = waiting.popleft()
                yield attempt(functools.partial(self._train_when_compiled, prepared), trial)
        finally:
            pool.shutdown(cancel_futures=True)

    def _prepare(self, trial: Trial) -> Prepared:
        assert isinstance(self.space, NetworkSpace)  # the constructor has made sure
        network = self.space.network(trial.genome, self.recipe.dtype)
        together = num_together_of(self.recipe, self.num_seeds)
        return prepare(network, load(self.source), self.recipe, num_together=together)

    def _train_when_compiled(self, prepared: Future[Prepared], trial: Trial) -> Measurement:
        return self._train(prepared.result(), trial)

    def _train(self, prepared: Prepared, trial: Trial) -> Measurement:
        assert isinstance(self.space, NetworkSpace)
        seeds = seeds_of(trial, self.num_seeds)
        fits = train(prepared, seeds)
        if self.checkpoint_dir is not None:
            for seed, fit in zip(seeds, fits, strict=True):
                save_variables(self.checkpoint_dir / str(trial.id) / str(seed), fit.variables)
        metrics = fits[0].metrics if len(fits) == 1 else {**_summary(fits), "seeds": seeds}
        seconds = {name: sum(fit.seconds[name] for fit in fits) for name in fits[0].seconds}
        return Measurement({**self.space.cost(trial.genome)._asdict(), **metrics}, seconds)


def seeds_of(trial: Trial, num: int) -> list[int]:
    """The trial's own seed, then others that follow from it."""
    return [trial.seed, *np.random.SeedSequence(trial.seed).generate_state(num - 1).tolist()]


def _summary(fits: Sequence[Fit]) -> dict[str, Any]:
    """Each metric over the seeds, and of the curves the mean, epoch by epoch."""
    curves = [fit.metrics["curve"] for fit in fits]
    curve = {name: np.mean([curve[name] for curve in curves], axis=0).tolist() for name in curves[0]}
    return {**over_seeds([{name: fit.metrics[name] for name in curves[0]} for fit in fits]), "curve": curve}


make = Training
