"""Trains one network from its first draw to its validation accuracy.

On a CPU the steps are a loop in Python: XLA runs convolutions inside its own loops many times slower there.
On accelerators one call scans the steps of an epoch. Either way a network is compiled once for training and
once for evaluation, ahead of time, so that a change of shape is an error and never a silent recompilation.
"""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from nas_jax.data.arrays import Dataset, Split, epoch_batches
from nas_jax.train.recipe import Recipe, make_optimizer
from nas_jax.train.step import EvalSums, TrainState, Variables, initialize, make_eval_step, make_train_step

EVAL_BATCH_SIZE = 256


class NonFiniteLossError(ArithmeticError):
    """Training has diverged."""


class Fit(NamedTuple):
    """A trained network: its variables, its metrics (fractions and nats) and its seconds."""

    variables: Variables
    metrics: dict[str, Any]
    seconds: dict[str, float]


def fit(network: nn.Module, dataset: Dataset, recipe: Recipe, seed: int) -> Fit:
    """Trains `network` on the training split and measures it on the validation split after each epoch.

    The metrics are `val_accuracy` and `val_loss` of the last epoch, `train_loss` (its mean over that epoch,
    with augmentation and label smoothing), and `curve`, their values epoch by epoch. All randomness comes
    from `seed`.

    Raises:
        NonFiniteLossError: the training or validation loss of an epoch is NaN or infinite.
    """
    start = time.perf_counter()
    num_examples = len(dataset.train.labels)
    steps_per_epoch = num_examples // recipe.batch_size
    optimizer = make_optimizer(recipe, steps_per_epoch)
    variables = initialize(network, dataset.image_shape, seed)
    state = TrainState(jnp.zeros((), jnp.int32), variables, optimizer.init(variables["params"]))
    images, labels = jax.device_put((dataset.train.images, dataset.train.labels))
    run_epoch = compile_epoch(
        make_train_step(network, optimizer, recipe, dataset, seed),
        (state, images, labels),
        batches_shape=(steps_per_epoch, recipe.batch_size),
        is_scanned=jax.default_backend() != "cpu",
    )
    evaluate = compile_evaluation(network, recipe, dataset, variables)
    compiled = time.perf_counter()

    curve: dict[str, list[float]] = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    for epoch in range(recipe.num_epochs):
        batches = epoch_batches(np.random.default_rng((seed, epoch)), num_examples, recipe.batch_size)
        state, train_loss = run_epoch(state, images, labels, batches)
        measured = {"train_loss": train_loss, **_prefixed("val", evaluate(state.variables, dataset.val))}
        for name, value in measured.items():
            if not math.isfinite(value):
                raise NonFiniteLossError(f"{name} is {value} in epoch {epoch + 1} of {recipe.num_epochs}")
            curve[name].append(value)
    seconds = {"compile": compiled - start, "train": time.perf_counter() - compiled}
    return Fit(state.variables, {**{name: values[-1] for name, values in curve.items()}, "curve": curve}, seconds)


def measure(network: nn.Module, variables: Variables, dataset: Dataset, recipe: Recipe, part: str) -> dict[str, float]:
    """`{part}_accuracy` and `{part}_loss` of a trained network on a split: "train", "val" or "test"."""
    evaluate = compile_evaluation(network, recipe, dataset, variables)
    return _prefixed(part, evaluate(variables, getattr(dataset, part)))


def _prefixed(part: str, metrics: dict[str, float]) -> dict[str, float]:
    return {f"{part}_{name}": value for name, value in metrics.items()}


def compile_epoch(
    train_step: Callable[..., Any],
    arguments: tuple[Any, ...],
    batches_shape: tuple[int, int],
    is_scanned: bool,
) -> Callable[..., tuple[TrainState, float]]:
    """Returns `(state, images, labels, batches) -> (state, mean loss)`, which runs the steps of an epoch.

    `arguments` are an example of (state, images, labels); the state that is passed in is used up. `batches`
    are the indices of the examples, `[steps, batch]`.
    """
    num_steps, batch_size = batches_shape
    if is_scanned:

        def epoch(state: TrainState, images: jax.Array, labels: jax.Array, batches: jax.Array) -> Any:
            return jax.lax.scan(lambda carry, indices: train_step(carry, images, labels, indices), state, batches)

        batches = jax.ShapeDtypeStruct((num_steps, batch_size), jnp.int32)
        compiled = jax.jit(epoch, donate_argnums=0).lower(*arguments, batches).compile()

        def run_scanned(state: TrainState, images: Any, labels: Any, batches: np.ndarray) -> tuple[TrainState, float]:
            state, losses = compiled(state, images, labels, batches)
            return state, float(losses.mean())

        return run_scanned

    indices = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    compiled_step = jax.jit(train_step, donate_argnums=0).lower(*arguments, indices).compile()

    def run_looped(state: TrainState, images: Any, labels: Any, batches: np.ndarray) -> tuple[TrainState, float]:
        losses = []
        for indices in batches:
            state, loss = compiled_step(state, images, labels, indices)
            losses.append(loss)
        return state, float(np.mean(jax.device_get(losses)))

    return run_looped


def compile_evaluation(
    network: nn.Module, recipe: Recipe, dataset: Dataset, variables: Variables
) -> Callable[[Variables, Split], dict[str, float]]:
    """Returns `(variables, split) -> {"accuracy", "loss"}`, exact for a split of any size."""
    shape = (EVAL_BATCH_SIZE, *dataset.image_shape)
    eval_step = (
        jax.jit(make_eval_step(network, recipe, dataset))
        .lower(
            variables,
            jax.ShapeDtypeStruct(shape, jnp.uint8),
            jax.ShapeDtypeStruct(shape[:1], jnp.int32),
            jax.ShapeDtypeStruct(shape[:1], jnp.bool_),
        )
        .compile()
    )

    def evaluate(variables: Variables, split: Split) -> dict[str, float]:
        num = len(split.labels)
        sums: list[EvalSums] = []
        for start in range(0, num, EVAL_BATCH_SIZE):
            images, labels = (_padded(array[start : start + EVAL_BATCH_SIZE]) for array in split)
            is_real = np.arange(EVAL_BATCH_SIZE) < num - start
            sums.append(eval_step(variables, images, labels, is_real))
        num_correct, loss = (sum(values) for values in zip(*jax.device_get(sums), strict=True))
        return {"accuracy": float(num_correct / num), "loss": float(loss / num)}

    return evaluate


def _padded(array: np.ndarray) -> np.ndarray:
    return np.pad(array, [(0, EVAL_BATCH_SIZE - len(array))] + [(0, 0)] * (array.ndim - 1))
