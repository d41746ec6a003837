"""Trains one network from its first draw to its validation metrics, for one seed or several.

No seed is part of what is compiled, nor is the learning rate: seeds, and trainings of other lengths, share it. Several
seeds train one after the other. At the same time, by `jax.vmap`, they take longer: XLA makes convolutions in groups of
them, which took 1.6 times as long on an H200; one small network fills a CPU.

A training may stop before its end and go on later: an epoch depends on the state before it, the seed and its number.
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
from nas_jax.train.recipe import Recipe
from nas_jax.train.schedules import learning_rates, num_trunk_epochs
from nas_jax.train.states import Stopped, to_device, to_host
from nas_jax.train.variables import Variables

OnEpoch: TypeAlias = Callable[[int, dict[str, float]], None]  # told of each epoch that has ended: how many, its metrics


class NonFiniteLossError(FloatingPointError):
    """Training has diverged."""


class Fit(NamedTuple):
    """A trained network: its variables, its metrics, and its share of the seconds.

    `start` is the number of epochs with which it went on, None where it began by itself. `stopped` is what a longer
    training goes on with, if asked for.
    """

    variables: Variables
    metrics: dict[str, Any]
    seconds: dict[str, float]
    start: int | None = None
    stopped: Stopped | None = None


def from_the_start(seed: int) -> Stopped | None:
    """Nothing to go on with."""


class Leg(NamedTuple):
    """A part of a training: from what a seed goes on, where it stops, and whether what is needed then is kept."""

    num_epochs: int | None = None  # all in all; None for the recipe's
    is_kept: bool = False
    find_start: Callable[[int], Stopped | None] = from_the_start  # of a seed


IN_FULL = Leg()


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


def train(prepared: Prepared, seeds: Sequence[int], on_epoch: OnEpoch = ignore, leg: Leg = IN_FULL) -> list[Fit]:
    """A `Fit` for each seed, as `fit` describes it. The seconds of all add up to the time that it took.

    `on_epoch` is called as soon as an epoch has ended; with each seed it begins with the first one again. Of a `leg`
    the metrics are those of its end and the curve is that of the whole training, but only its own epochs are told and
    timed. By the schedule "constant" the learning rate falls at the end of a leg, and what is kept is from before that.
    A start that does not fit the network, or has come too far, is none.

    Raises:
        NonFiniteLossError: the training with one of the seeds has diverged.
        ValueError: no seeds.
    """
    if not seeds:
        raise ValueError("seeds: has to have at least one")
    return [_train(prepared, seed, on_epoch, leg, compile_share=prepared.seconds / len(seeds)) for seed in seeds]


def _train(prepared: Prepared, seed: int, on_epoch: OnEpoch, leg: Leg, compile_share: float) -> Fit:
    begun = time.perf_counter()
    program, recipe = prepared.program, prepared.recipe
    stop = recipe.num_epochs if leg.num_epochs is None else leg.num_epochs
    num_trunk = num_trunk_epochs(recipe, stop)
    rates = learning_rates(recipe, recipe.steps_per_epoch(num_examples(prepared.problem.dataset.train)), stop)
    state, curve = _begin(program, seed, leg.find_start(seed), num_trunk)
    start = None if curve is None else len(curve)
    curve = curve or []
    ready = time.perf_counter()

    course, stopped = _Course(prepared, seed, rates, on_epoch), None
    if leg.is_kept:
        state = course.run(state, curve, num_trunk)
        stopped = Stopped(num_trunk, list(curve), to_host(state))
        if num_trunk < stop:
            state = to_device(stopped.leaves, state)  # the steps to come use it up
    state = course.run(state, curve, stop)

    variables = program.variables(state)
    seconds = {"compile": compile_share + ready - begun, "train": time.perf_counter() - ready}
    curves = {name: [metrics[name] for metrics in curve] for name in curve[-1]}
    return Fit(variables, {**curve[-1], "curve": curves}, seconds, start, stopped)


class _Course(NamedTuple):
    """What the epochs of a training depend on, beside the state."""

    prepared: Prepared
    seed: int
    rates: np.ndarray  # [epochs, steps]
    on_epoch: OnEpoch

    def run(self, state: Any, curve: list[dict[str, float]], stop: int) -> Any:
        """The state after `stop` epochs, from that after as many as the curve has, to which theirs are added."""
        program, num = self.prepared.program, num_examples(self.prepared.problem.dataset.train)
        for epoch in range(len(curve), stop):
            batches = epoch_batches(np.random.default_rng((self.seed, epoch)), num, self.prepared.recipe.batch_size)
            state, loss = program.run_epoch(state, batches, self.rates[epoch])
            metrics = {"train_loss": loss, **program.evaluate(state)}
            for name, value in metrics.items():
                if not math.isfinite(value):
                    raise NonFiniteLossError(
                        f"{name} is {value} in epoch {epoch + 1} of {len(self.rates)} with seed {self.seed}"
                    )
            curve.append(metrics)
            self.on_epoch(epoch + 1, metrics)
        return state


def _begin(
    program: Program, seed: int, start: Stopped | None, max_epochs: int
) -> tuple[Any, list[dict[str, float]] | None]:
    """The state that a seed begins with, and its curve until then; None where it goes on with nothing."""
    state = program.start(seed)
    if start is None or start.num_epochs > max_epochs:
        return state, None
    continued = to_device(start.leaves, state)
    return (state, None) if continued is None else (continued, list(start.curve))
