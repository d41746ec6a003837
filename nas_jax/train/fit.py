"""Trains one network from its first draw to its validation metrics, for one seed or several.

On a CPU the steps are a loop in Python: XLA runs convolutions inside its own loops many times slower there.
On accelerators one call scans the steps of an epoch. Either way a network is compiled once for training and
once for evaluation, ahead of time, so that a change of shape is an error and never a silent recompilation.
No seed is part of what is compiled, so that seeds share it, and runs too that have a compilation cache.
"""

import math
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
import optax
from flax import linen as nn

from nas_jax.data.arrays import Batch, EpochBatches, epoch_batches, num_examples
from nas_jax.tasks.base import Problem
from nas_jax.train.evaluation import compile_validation
from nas_jax.train.parallel import Placement, placement_of
from nas_jax.train.recipe import Recipe, make_optimizer
from nas_jax.train.resident import training_arrays
from nas_jax.train.step import (
    TrainState,
    Variables,
    draw_variables,
    initial_state,
    input_shapes,
    make_forward,
    make_train_step,
    variable_shapes,
)

# Told of each epoch that has ended: how many have, and the metrics of each of the seeds that train together.
OnEpoch: TypeAlias = Callable[[int, list[dict[str, float]]], None]


class NonFiniteLossError(FloatingPointError):
    """Training has diverged."""


class Fit(NamedTuple):
    """A trained network: its variables, its metrics, and its share of the seconds."""

    variables: Variables
    metrics: dict[str, Any]
    seconds: dict[str, float]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network that is compiled for training: all that does not depend on a seed. `seconds` is how long it took.

    `num_together` networks train at the same time in one program; if there are more than one, state, batches and losses
    have an axis of that size in front.
    """

    problem: Problem
    recipe: Recipe
    placement: Placement
    optimizer: optax.GradientTransformation
    shapes: Variables
    num_together: int
    run_epoch: Callable[..., tuple[TrainState, np.ndarray]]  # (state, examples, EpochBatches) -> state, mean loss
    evaluate: Callable[[Variables], list[dict[str, float]]]
    seconds: float


def fit(network: nn.Module, problem: Problem, recipe: Recipe, seed: int) -> Fit:
    """Trains `network` on the training split and measures it on the validation split after each epoch.

    The metrics are those of the task at the last epoch (`val_accuracy`), `train_loss` (the mean of the task's loss over
    that epoch, with augmentation), and `curve`, their values epoch by epoch. All randomness comes from `seed`.

    Raises:
        NonFiniteLossError: the training loss or a metric of an epoch is NaN or infinite.
        UserError: the devices that `recipe` asks for are not there, or cannot divide a batch.
    """
    return train(prepare(network, problem, recipe), [seed])[0]


def fit_seeds(network: nn.Module, problem: Problem, recipe: Recipe, seeds: Sequence[int]) -> list[Fit]:
    """As `fit`, for each of several seeds, in one compilation: at the same time where `num_together_of` says so."""
    return train(prepare(network, problem, recipe, num_together=num_together_of(recipe, len(seeds))), seeds)


def num_together_of(recipe: Recipe, num_seeds: int) -> int:
    """All on an accelerator, which one small network seldom fills; else one, as it fills a CPU or several devices."""
    return num_seeds if jax.default_backend() != "cpu" and recipe.parallel == "none" else 1


def prepare(
    network: nn.Module, problem: Problem, recipe: Recipe, *, num_together: int = 1, is_scanned: bool | None = None
) -> Prepared:
    """Compiles the training of `network`, without data on a device, so that another one can train meanwhile.

    Args:
        num_together: How many seeds train at the same time.
        is_scanned: Whether one call takes the steps of an epoch. None leaves it to the kind of device.

    Raises:
        UserError: as `fit`.
    """
    start = time.perf_counter()
    placement = placement_of(recipe)
    if is_scanned is None:
        is_scanned = jax.default_backend() != "cpu"
    examples = problem.dataset.train
    optimizer = make_optimizer(recipe, recipe.steps_per_epoch(num_examples(examples)))
    shapes = variable_shapes(network, input_shapes(problem))
    state = jax.eval_shape(lambda variables: initial_state(variables, optimizer, 0), shapes)
    is_stacked = num_together > 1
    if is_stacked:
        state = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((num_together, *leaf.shape), leaf.dtype), state)

    def compile_batches(shape: tuple[int, int]) -> Callable[..., tuple[TrainState, np.ndarray]]:
        step = make_train_step(network, optimizer, recipe, problem, placement.shards(shape[-1]))
        stacked_shape = (num_together, *shape) if is_stacked else shape
        return compile_steps(step, placement, state, examples, stacked_shape, is_scanned=is_scanned)

    return Prepared(
        problem,
        recipe,
        placement,
        optimizer,
        shapes,
        num_together,
        _compile_epoch(compile_batches, recipe, num_examples(examples)),
        compile_validation(
            make_forward(network, problem, recipe),
            problem,
            state.variables,
            placement,
            is_scanned=is_scanned,
            is_stacked=is_stacked,
        ),
        time.perf_counter() - start,
    )


def ignore(num_epochs: int, metrics: list[dict[str, float]]) -> None:
    """An `OnEpoch` that does nothing."""


def train(prepared: Prepared, seeds: Sequence[int], on_epoch: OnEpoch = ignore) -> list[Fit]:
    """A `Fit` for each seed, as `fit` describes it. The seconds of all add up to the time that it took.

    `on_epoch` is called as soon as an epoch has ended. Seeds that do not train together train one after the other, so
    that it is called with the first epoch again.

    Raises:
        NonFiniteLossError: the training with one of the seeds has diverged.
        ValueError: seeds that are no multiple of `prepared.num_together`.
    """
    num = prepared.num_together
    if not seeds or len(seeds) % num:
        raise ValueError(f"{len(seeds)} seeds: has to be a positive multiple of num_together={num}")
    fits = []
    for first in range(0, len(seeds), num):
        share = prepared.seconds / len(seeds)
        fits += _train_together(prepared, seeds[first : first + num], on_epoch, compile_share=share)
    return fits


def _train_together(prepared: Prepared, seeds: Sequence[int], on_epoch: OnEpoch, compile_share: float) -> list[Fit]:
    start = time.perf_counter()
    placement, recipe = prepared.placement, prepared.recipe
    dataset = prepared.problem.dataset
    examples = training_arrays(dataset, placement.replicated)
    states = [initial_state(draw_variables(prepared.shapes, seed), prepared.optimizer, seed) for seed in seeds]
    state: TrainState = jax.device_put(_together(states), placement.replicated)
    begun = time.perf_counter()

    curves: list[list[dict[str, float]]] = [[] for _ in seeds]  # of each seed the metrics of each epoch
    for epoch in range(recipe.num_epochs):
        rngs = [np.random.default_rng((seed, epoch)) for seed in seeds]
        batches = [epoch_batches(rng, num_examples(dataset.train), recipe.batch_size) for rng in rngs]
        state, losses = prepared.run_epoch(state, examples, _together(batches))
        train_losses, measured = np.atleast_1d(losses).tolist(), prepared.evaluate(state.variables)
        ended = [{"train_loss": loss, **metrics} for loss, metrics in zip(train_losses, measured, strict=True)]
        for seed, curve, metrics in zip(seeds, curves, ended, strict=True):
            for name, value in metrics.items():
                if not math.isfinite(value):
                    raise NonFiniteLossError(
                        f"{name} is {value} in epoch {epoch + 1} of {recipe.num_epochs} with seed {seed}"
                    )
            curve.append(metrics)
        on_epoch(epoch + 1, ended)

    variables = jax.device_put(state.variables, placement.devices[0])
    seconds = {
        "compile": compile_share + (begun - start) / len(seeds),
        "train": (time.perf_counter() - begun) / len(seeds),
    }
    return [
        Fit(own, {**curve[-1], "curve": {name: [metrics[name] for metrics in curve] for name in curve[-1]}}, seconds)
        for own, curve in zip(_apart(variables, len(seeds)), curves, strict=True)
    ]


def _together(trees: Sequence[Any]) -> Any:
    """One tree as it is, several with their leaves stacked."""
    return trees[0] if len(trees) == 1 else jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _apart(tree: Any, num: int) -> list[Any]:
    """The reverse of `_together`."""
    return [tree] if num == 1 else [jax.tree.map(operator.itemgetter(i), tree) for i in range(num)]


def _compile_epoch(
    compile_batches: Callable[[tuple[int, int]], Callable[..., tuple[TrainState, np.ndarray]]],
    recipe: Recipe,
    num: int,
) -> Callable[..., tuple[TrainState, np.ndarray]]:
    """Returns `(state, examples, EpochBatches) -> (state, mean loss of an example)`."""
    num_full, num_left = divmod(num, recipe.batch_size)
    run_full = compile_batches((num_full, recipe.batch_size))
    run_rest = compile_batches((1, num_left)) if num_left and not recipe.drop_last else None

    def run_epoch(state: TrainState, examples: Batch, batches: EpochBatches) -> tuple[TrainState, np.ndarray]:
        state, losses = run_full(state, examples, batches.full)
        mean = np.asarray(losses.mean(axis=-1))
        if run_rest is None:
            return state, mean
        state, last = run_rest(state, examples, batches.rest[..., None, :])
        return state, np.asarray(mean + (last[..., 0] - mean) * (num_left / num))

    return run_epoch


def compile_steps(
    step: Callable[..., Any],
    placement: Placement,
    state: TrainState,
    examples: Batch,
    batches_shape: tuple[int, ...],
    *,
    is_scanned: bool,
) -> Callable[..., tuple[TrainState, np.ndarray]]:
    """Returns `(state, examples, batches) -> (state, losses)`, which takes a step for each batch.

    `examples` are the training split. `batches` are the indices of examples, `[steps, b]`, or `[s, steps, b]` where
    `state` is stacked for `s` seeds; the losses are `[steps]` or `[s, steps]`. The state that is passed in is used up.
    """

    def all_steps(state: TrainState, examples: Batch, batches: jax.Array) -> Any:
        return jax.lax.scan(lambda carry, indices: step(carry, examples, indices), state, batches)

    *stack, num_steps, batch_size = batches_shape
    function = all_steps if is_scanned else step
    if stack:
        function = jax.vmap(function, in_axes=(0, None, 0))
    shapes = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), examples)
    shape = batches_shape if is_scanned else (*stack, batch_size)
    compiled = placement.compile(function, state, shapes, shape)

    def run_steps(state: TrainState, examples: Batch, batches: np.ndarray) -> tuple[TrainState, np.ndarray]:
        if is_scanned:
            state, losses = compiled(state, examples, batches)
            return state, np.asarray(losses)
        losses = []
        for i in range(num_steps):
            state, loss = compiled(state, examples, batches[..., i, :])
            losses.append(loss)
        return state, np.stack(jax.device_get(losses), axis=-1)

    return run_steps
