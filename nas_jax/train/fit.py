"""Trains one network from its first draw to its validation metrics, for one seed or several.

No seed is part of what is compiled, nor is the learning rate: seeds, and trainings of other lengths, share it. Several
seeds train one after the other. At the same time, by `jax.vmap`, they take longer: XLA makes convolutions in groups of
them, which took 1.6 times as long on an H200; one small network fills a CPU.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from flax import linen as nn

from nas_jax.data.arrays import epoch_batches, num_examples
from nas_jax.tasks.base import Problem
from nas_jax.train.programs import Program, compile_program
from nas_jax.train.recipe import Recipe, learning_rates
from nas_jax.train.variables import Variables

OnEpoch: TypeAlias = Callable[[int, dict[str, float]], None]  # told of each epoch that has ended: how many, its metrics


class NonFiniteLossError(FloatingPointError):
    """Training has diverged."""


class Fit(NamedTuple):
    """A trained network: its variables, its metrics, and its share of the seconds."""

    variables: Variables
    metrics: dict[str, Any]
    seconds: dict[str, float]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network that is compiled for training: all that does not depend on a seed. `seconds` is how long it took."""

    problem: Problem
    recipe: Recipe
    program: Program
    seconds: float


def fit(network: nn.Module, problem: Problem, recipe: Recipe, seed: int) -> Fit:
    """Trains `network` on the training split and measures it on the validation split after each epoch.

    The metrics are those of the task at the last epoch (`val_accuracy`), `train_loss` (the mean of the task's loss over
    that epoch, with augmentation), and `curve`, their values epoch by epoch. All randomness comes from `seed`.

    Raises:
        NonFiniteLossError: the training loss or a metric of an epoch is NaN or infinite.
        UserError: what `recipe` asks for cannot be had, as `compile_program` says.
    """
    return train(prepare(network, problem, recipe), [seed])[0]


def fit_seeds(network: nn.Module, problem: Problem, recipe: Recipe, seeds: Sequence[int]) -> list[Fit]:
    """As `fit`, for each of several seeds, in one compilation."""
    return train(prepare(network, problem, recipe), seeds)


def prepare(network: nn.Module, problem: Problem, recipe: Recipe, *, is_scanned: bool | None = None) -> Prepared:
    """Compiles the training of `network`, without data on a device, so that another one can train meanwhile.

    Raises:
        UserError: as `fit`.
    """
    start = time.perf_counter()
    program = compile_program(network, problem, recipe, is_scanned=is_scanned)
    return Prepared(problem, recipe, program, time.perf_counter() - start)


def ignore(num_epochs: int, metrics: dict[str, float]) -> None:
    """An `OnEpoch` that does nothing."""


def train(prepared: Prepared, seeds: Sequence[int], on_epoch: OnEpoch = ignore) -> list[Fit]:
    """A `Fit` for each seed, as `fit` describes it. The seconds of all add up to the time that it took.

    `on_epoch` is called as soon as an epoch has ended; with each seed it begins with the first one again.

    Raises:
        NonFiniteLossError: the training with one of the seeds has diverged.
        ValueError: no seeds.
    """
    if not seeds:
        raise ValueError("seeds: has to have at least one")
    return [_train(prepared, seed, on_epoch, compile_share=prepared.seconds / len(seeds)) for seed in seeds]


def _train(prepared: Prepared, seed: int, on_epoch: OnEpoch, compile_share: float) -> Fit:
    start = time.perf_counter()
    program, recipe = prepared.program, prepared.recipe
    num = num_examples(prepared.problem.dataset.train)
    rates = learning_rates(recipe, recipe.steps_per_epoch(num))
    state = program.start(seed)
    begun = time.perf_counter()

    curve: list[dict[str, float]] = []
    for epoch in range(recipe.num_epochs):
        batches = epoch_batches(np.random.default_rng((seed, epoch)), num, recipe.batch_size)
        state, loss = program.run_epoch(state, batches, rates[epoch])
        metrics = {"train_loss": loss, **program.evaluate(state)}
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise NonFiniteLossError(
                    f"{name} is {value} in epoch {epoch + 1} of {recipe.num_epochs} with seed {seed}"
                )
        curve.append(metrics)
        on_epoch(epoch + 1, metrics)

    variables = program.variables(state)
    seconds = {"compile": compile_share + begun - start, "train": time.perf_counter() - begun}
    curves = {name: [metrics[name] for metrics in curve] for name in curve[-1]}
    return Fit(variables, {**curve[-1], "curve": curves}, seconds)
