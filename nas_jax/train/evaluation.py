"""Measures a network on a split.

As in training, a CPU takes the batches one by one, while an accelerator keeps the split and takes them in one call.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from nas_jax.cpu.compiler import compiler_options
from nas_jax.data.arrays import Dataset
from nas_jax.train.parallel import Placement, one_device
from nas_jax.train.recipe import Recipe
from nas_jax.train.resident import evaluation_batches
from nas_jax.train.step import EvalSums, Variables, make_eval_step

BATCH_SIZE = 256


def measure(
    network: nn.Module, trained: Sequence[Variables], dataset: Dataset, recipe: Recipe, part: str
) -> list[dict[str, float]]:
    """`{part}_accuracy` and `{part}_loss` on a split ("train", "val" or "test"), for each of several trainings."""
    is_scanned = jax.default_backend() != "cpu"
    evaluate = compile_evaluation(network, recipe, dataset, part, trained[0], one_device(), is_scanned=is_scanned)
    return [{name: float(value) for name, value in evaluate(variables).items()} for variables in trained]


def compile_evaluation(
    network: nn.Module,
    recipe: Recipe,
    dataset: Dataset,
    part: str,
    variables: Variables,
    placement: Placement,
    *,
    is_scanned: bool,
    is_stacked: bool = False,
) -> Callable[[Variables], dict[str, np.ndarray]]:
    """Returns `variables -> {"{part}_accuracy": [], "{part}_loss": []}`, exact for a split of any size.

    Args:
        variables: An example, or the shapes.
        is_scanned: Whether one call takes all batches.
        is_stacked: Whether the variables of several networks are stacked along a first axis, as the metrics are then.
    """
    num = len(getattr(dataset, part).labels)
    step = make_eval_step(network, recipe, dataset)
    if is_stacked:
        step = jax.vmap(step, in_axes=(0, None, None, None))

    def all_steps(variables: Variables, images: jax.Array, labels: jax.Array, is_real: jax.Array) -> EvalSums:
        sums = jax.lax.map(lambda batch: step(variables, *batch), (images, labels, is_real))
        return jax.tree.map(lambda values: values.sum(axis=0), sums)

    batch_shape = (-(-num // BATCH_SIZE), BATCH_SIZE) if is_scanned else (BATCH_SIZE,)
    sharding = placement.spread(BATCH_SIZE, len(batch_shape) - 1)
    compiled = (
        jax.jit(all_steps if is_scanned else step, in_shardings=(placement.replicated, sharding, sharding, sharding))
        .lower(
            variables,
            jax.ShapeDtypeStruct((*batch_shape, *dataset.image_shape), jnp.uint8),
            jax.ShapeDtypeStruct(batch_shape, jnp.int32),
            jax.ShapeDtypeStruct(batch_shape, jnp.bool_),
        )
        .compile(compiler_options())
    )

    def sums_of_batches(variables: Variables) -> list[EvalSums]:
        if is_scanned:
            return [compiled(variables, *evaluation_batches(dataset, part, BATCH_SIZE, sharding))]
        split = getattr(dataset, part)
        sums = []
        for start in range(0, num, BATCH_SIZE):
            images, labels = (_padded(array[start : start + BATCH_SIZE]) for array in split)
            sums.append(compiled(variables, images, labels, np.arange(BATCH_SIZE) < num - start))
        return sums

    def evaluate(variables: Variables) -> dict[str, np.ndarray]:
        sums = jax.device_get(sums_of_batches(jax.device_put(variables, placement.replicated)))
        num_correct, loss = (sum(values) for values in zip(*sums, strict=True))
        return {f"{part}_accuracy": np.asarray(num_correct / num), f"{part}_loss": np.asarray(loss / num)}

    return evaluate


def _padded(array: np.ndarray) -> np.ndarray:
    return np.pad(array, [(0, BATCH_SIZE - len(array))] + [(0, 0)] * (array.ndim - 1))
