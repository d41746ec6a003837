"""Measures networks on a split.

While a network trains, an accelerator keeps the validation split and takes it in one call; a CPU takes the batches one
by one, as it does in training.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nas_jax.cpu.compiler import compiler_options
from nas_jax.data.arrays import Batch, num_examples
from nas_jax.tasks.base import Problem, Task
from nas_jax.train.parallel import Placement
from nas_jax.train.resident import validation_batches
from nas_jax.train.step import Forward, Variables, make_eval_step

BATCH_SIZE = 256


class Measured(NamedTuple):
    """A network on a split: metrics by name, with the split in front, and the score of each example `[n]`, float32."""

    metrics: dict[str, float]
    scores: np.ndarray


def measure(forward: Forward, trained: Sequence[Variables], problem: Problem, part: str) -> list[Measured]:
    """Measures each of several trainings of a network on a split: "train", "val" or "test"."""
    task, split = problem.task, getattr(problem.dataset, part)
    num = num_examples(split)

    @jax.jit
    def step(variables: Variables, batch: Batch, is_real: jax.Array) -> tuple[Any, jax.Array]:
        outputs = forward(variables, batch)
        return task.metric_sums(outputs, batch, is_real), task.scores(outputs, batch)

    def of_one(variables: Variables) -> Measured:
        on_device = jax.device_put(variables)
        sums, scores = zip(*jax.device_get([step(on_device, *batch) for batch in _padded_batches(split)]), strict=True)
        return Measured(_metrics(task, sums, num, part), np.concatenate(scores)[:num].astype(np.float32))

    return [of_one(variables) for variables in trained]


def compile_validation(
    forward: Forward,
    problem: Problem,
    variables: Variables,
    placement: Placement,
    *,
    is_scanned: bool,
    is_stacked: bool = False,
) -> Callable[[Variables], list[dict[str, float]]]:
    """Returns `variables -> metrics` on the validation split, exact for one of any size.

    Args:
        variables: An example, or the shapes.
        is_scanned: Whether one call takes all batches.
        is_stacked: Whether the variables of several networks are stacked along a first axis. Each has its metrics in
            the list, which has one element else.
    """
    task, dataset = problem.task, problem.dataset
    num = num_examples(dataset.val)
    step = make_eval_step(forward, task)
    if is_stacked:
        step = jax.vmap(step, in_axes=(0, None, None))

    def all_steps(variables: Variables, batches: Batch, is_real: jax.Array) -> Any:
        sums = jax.lax.map(lambda batch: step(variables, *batch), (batches, is_real))
        return jax.tree.map(lambda values: values.sum(axis=0), sums)

    batch_shape = (-(-num // BATCH_SIZE), BATCH_SIZE) if is_scanned else (BATCH_SIZE,)
    sharding = placement.spread(BATCH_SIZE, len(batch_shape) - 1)
    batch = {
        name: jax.ShapeDtypeStruct((*batch_shape, *array.shape), array.dtype)
        for name, array in dataset.spec.arrays.items()
    }
    compiled = (
        jax.jit(all_steps if is_scanned else step, in_shardings=(placement.replicated, sharding, sharding))
        .lower(variables, batch, jax.ShapeDtypeStruct(batch_shape, jnp.bool_))
        .compile(compiler_options())
    )

    def evaluate(variables: Variables) -> list[dict[str, float]]:
        variables = jax.device_put(variables, placement.replicated)
        if is_scanned:
            sums = [compiled(variables, *validation_batches(dataset, BATCH_SIZE, sharding))]
        else:
            sums = [compiled(variables, *batch) for batch in _padded_batches(dataset.val)]
        sums = jax.device_get(sums)
        if not is_stacked:
            return [_metrics(task, sums, num, "val")]
        num_networks = len(jax.tree.leaves(sums)[0])
        return [_metrics(task, jax.tree.map(operator.itemgetter(i), sums), num, "val") for i in range(num_networks)]

    return evaluate


def _metrics(task: Task, sums: Sequence[Any], num: int, part: str) -> dict[str, float]:
    """Of the sums of all batches."""
    total = jax.tree.map(lambda *values: sum(values), *sums)
    return {f"{part}_{name}": value for name, value in task.metrics(total, num).items()}


def _padded_batches(split: Batch) -> Iterator[tuple[Batch, np.ndarray]]:
    """Batches of one size, and which of their examples are real."""
    num = num_examples(split)
    for start in range(0, num, BATCH_SIZE):
        batch = {name: _padded(array[start : start + BATCH_SIZE]) for name, array in split.items()}
        yield batch, np.arange(BATCH_SIZE) < num - start


def _padded(array: np.ndarray) -> np.ndarray:
    return np.pad(array, [(0, BATCH_SIZE - len(array))] + [(0, 0)] * (array.ndim - 1))
