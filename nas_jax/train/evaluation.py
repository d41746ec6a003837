"""Measures networks on a split.

While a network trains, an accelerator keeps the validation split and takes it in one call; a CPU takes the batches one
by one, as it does in training.
"""

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nas_jax.cpu.compiler import compiler_options
from nas_jax.data.arrays import Batch, num_examples
from nas_jax.errors import UserError
from nas_jax.tasks.base import Classwise, Gathering, Problem, Signed, Task
from nas_jax.train.parallel.placement import Placement
from nas_jax.train.resident import validation_batches
from nas_jax.train.step import Forward
from nas_jax.train.variables import Variables

_LARGEST_BATCH = 256
_MOST_PLACES = 2**19  # of a batch of maps, or of texts: 256 images of 32 x 32 pixels have half as many
_MOST_OUTPUTS = 2**26  # of a batch whose networks answer at each place: 256 MiB


def evaluation_batch_size(problem: Problem) -> int:
    """How many examples are measured at once: a power of two, about as many as a split has, fewer if they are large."""
    dataset, task = problem.dataset, problem.task
    shape = dataset.spec.arrays[task.input_name].shape
    most = max(num_examples(split) for split in (dataset.val, dataset.test))
    size = min(batch_size_for(shape), 1 << (most - 1).bit_length())
    if isinstance(task, Signed) and task.signature.endswith(("map", "sequence")):
        size = min(size, _power_of_two(_MOST_OUTPUTS // (_num_places(shape) * task.num_outputs(dataset.spec))))
    return size


def batch_size_for(shape: tuple[int, ...]) -> int:
    """The largest power of two so that a batch of inputs of this shape has few enough places, channels apart."""
    return min(_LARGEST_BATCH, _power_of_two(_MOST_PLACES // _num_places(shape)))


def _num_places(shape: tuple[int, ...]) -> int:
    return max(1, math.prod(shape[:-1] if len(shape) > 1 else shape))


def _power_of_two(most: int) -> int:
    """The largest one up to `most`, and at least 1."""
    return 1 << max(most, 1).bit_length() - 1


class Measured(NamedTuple):
    """A network on a split: metrics by name, with the split in front; score and loss of each example `[n]`, float32.

    `classes` are metrics of each class that the task tells apart, by the names of the metric and of the class.
    """

    metrics: dict[str, float]
    scores: np.ndarray
    losses: np.ndarray
    classes: dict[str, dict[str, float]]


def measure(forward: Forward, trained: Sequence[Variables], problem: Problem, part: str) -> list[Measured]:
    """Measures each of several trainings of a network on a split: "train", "val" or "test"."""
    task, split = problem.task, getattr(problem.dataset, part)
    num, size = num_examples(split), evaluation_batch_size(problem)

    @jax.jit
    def step(variables: Variables, batch: Batch, is_real: jax.Array) -> tuple[Any, jax.Array, jax.Array]:
        outputs = forward(variables, batch)
        return task.metric_sums(outputs, batch, is_real), task.scores(outputs, batch), task.loss(outputs, batch)

    def of_one(variables: Variables) -> Measured:
        on_device = jax.device_put(variables)
        sums, scores, losses = zip(
            *jax.device_get([step(on_device, *batch) for batch in padded_batches(split, size)]), strict=True
        )
        return Measured(
            metrics_of(problem, sums, num, part),
            np.concatenate(scores)[:num].astype(np.float32),
            np.concatenate(losses)[:num].astype(np.float32),
            class_metrics_of(problem, sums, num, part),
        )

    return [of_one(variables) for variables in trained]


def compile_validation(
    eval_step: Callable[..., Any], problem: Problem, variables: Any, placement: Placement, *, is_scanned: bool
) -> Callable[[Any], dict[str, float]]:
    """Returns `variables -> metrics` on the validation split, exact for one of any size.

    Args:
        eval_step: `(variables, batch, is_real) -> sums`, as of `step.make_eval_step`.
        variables: What the step takes of the network: an example, or the shapes.
        is_scanned: Whether one call takes all batches.
    """
    dataset = problem.dataset
    num, size = num_examples(dataset.val), evaluation_batch_size(problem)

    def all_steps(variables: Any, batches: Batch, is_real: jax.Array) -> Any:
        return jax.lax.map(lambda batch: eval_step(variables, *batch), (batches, is_real))

    batch_shape = (-(-num // size), size) if is_scanned else (size,)
    sharding = placement.spread(size, len(batch_shape) - 1)
    compiled = (
        jax.jit(all_steps if is_scanned else eval_step, in_shardings=(placement.replicated, sharding, sharding))
        .lower(variables, batch_shapes(problem, batch_shape), jax.ShapeDtypeStruct(batch_shape, jnp.bool_))
        .compile(compiler_options())
    )

    def evaluate(variables: Any) -> dict[str, float]:
        variables = jax.device_put(variables, placement.replicated)
        if is_scanned:
            rows = jax.device_get(compiled(variables, *validation_batches(dataset, size, sharding)))
            sums = [jax.tree.map(operator.itemgetter(row), rows) for row in range(batch_shape[0])]
        else:
            sums = [compiled(variables, *batch) for batch in padded_batches(dataset.val, size)]
        return metrics_of(problem, jax.device_get(sums), num, "val")

    return evaluate


def batch_shapes(problem: Problem, batch_shape: tuple[int, ...]) -> Batch:
    """The arrays of a batch, or of several, as `jax.ShapeDtypeStruct`s."""
    return {
        name: jax.ShapeDtypeStruct((*batch_shape, *array.shape), array.dtype)
        for name, array in problem.dataset.spec.arrays.items()
    }


def metrics_of(problem: Problem, sums: Sequence[Any], num: int, part: str) -> dict[str, float]:
    """Of the sums of all batches, with those of single classes that the problem asks for.

    Raises:
        UserError: such a class does not occur among the validation examples.
    """
    of_all = problem.task.metrics(total_of(problem.task, sums, num), num)
    metrics = {f"{part}_{name}": float(value) for name, value in of_all.items()}  # a task may give NumPy's numbers
    if not problem.class_metrics:
        return metrics
    of_classes = {
        f"{metric}_of_{name}": value
        for metric, classes in class_metrics_of(problem, sums, num, part).items()
        for name, value in classes.items()
    }
    for name in problem.class_metrics:
        if (value := of_classes.get(f"{part}_{name}")) is not None:
            metrics[f"{part}_{name}"] = value
        elif part == "val":
            raise UserError(f"val_{name}: the class does not occur among the {num} validation examples")
    return metrics


def class_metrics_of(problem: Problem, sums: Sequence[Any], num: int, part: str) -> dict[str, dict[str, float]]:
    """As `metrics_of`, of each class by its name; without those that do not occur."""
    task, names = problem.task, problem.dataset.class_names
    if not isinstance(task, Classwise):
        return {}
    found = task.class_metrics(total_of(task, sums, num), num)
    return {
        f"{part}_{metric}": {
            name: float(value) for name, value in zip(names, values, strict=True) if not np.isnan(value)
        }
        for metric, values in found.items()
    }


def total_of(task: Task, sums: Sequence[Any], num: int) -> Any:
    """What `Task.metrics` takes of `num` examples, of `Task.metric_sums` of all batches.

    Whole numbers add up in 64 bits: a split can have more pixels than 32 bits count.
    """
    if isinstance(task, Gathering):
        return task.gather(sums, num)
    return jax.tree.map(lambda *values: sum(map(_widened, values)), *sums)


def _widened(values: Any) -> Any:
    return np.asarray(values, np.int64) if np.issubdtype(values.dtype, np.integer) else values


def padded_batches(split: Batch, batch_size: int) -> Iterator[tuple[Batch, np.ndarray]]:
    """Batches of one size, and which of their examples are real."""
    num = num_examples(split)
    for start in range(0, num, batch_size):
        batch = {name: _padded(array[start : start + batch_size], batch_size) for name, array in split.items()}
        yield batch, np.arange(batch_size) < num - start


def _padded(array: np.ndarray, size: int) -> np.ndarray:
    return np.pad(array, [(0, size - len(array))] + [(0, 0)] * (array.ndim - 1))
