"""What happens to a batch before and behind a network, compiled: the same programs for all networks of a problem."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from nas_jax.cpu.compiler import compiler_options
from nas_jax.data.arrays import Batch
from nas_jax.tasks.base import Problem
from nas_jax.train.evaluation import batch_shapes, evaluation_batch_size
from nas_jax.train.feeding import feed_shapes
from nas_jax.train.losses import mean_loss
from nas_jax.train.step import make_draw_batch

Compiled: TypeAlias = Callable[..., Any]


def shape_of(tree: Any) -> Any:
    """Of arrays, or of what describes them, the `jax.ShapeDtypeStruct`s."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


@functools.lru_cache(maxsize=8)
def compile_draw(problem: Problem, dtype: str, batch_size: int) -> tuple[Compiled, Any]:
    """`(seed, step, examples, indices) -> (inputs, batch)` of `make_draw_batch`, and the shapes of the inputs."""
    scalars = jax.ShapeDtypeStruct((), jnp.uint32), jax.ShapeDtypeStruct((), jnp.int32)
    indices = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    lowered = jax.jit(make_draw_batch(problem, np.dtype(dtype))).lower(
        *scalars, feed_shapes(problem.dataset, batch_size), indices
    )
    inputs, _ = shape_of(lowered.out_info)
    return lowered.compile(compiler_options()), inputs


def compile_loss(problem: Problem, outputs: jax.ShapeDtypeStruct) -> Compiled:
    """`(outputs, batch) -> (mean loss, its gradient)` for outputs of that shape."""
    return _loss(problem, outputs.shape, outputs.dtype.name)


@functools.lru_cache(maxsize=8)
def _loss(problem: Problem, shape: tuple[int, ...], dtype: str) -> Compiled:
    batch = batch_shapes(problem, shape[:1])

    def loss(outputs: jax.Array, batch: Batch) -> jax.Array:
        return mean_loss(problem, outputs, batch)

    program = jax.jit(jax.value_and_grad(loss)).lower(jax.ShapeDtypeStruct(shape, dtype), batch)
    return program.compile(compiler_options())


@functools.lru_cache(maxsize=8)
def compile_inputs(problem: Problem, dtype: str) -> tuple[Compiled, Any]:
    """`batch -> inputs` for evaluation, and the shapes of the inputs."""

    def inputs(batch: Batch) -> Any:
        return problem.task.inputs(batch, problem.dataset.spec, np.dtype(dtype))

    lowered = jax.jit(inputs).lower(batch_shapes(problem, (evaluation_batch_size(problem),)))
    return lowered.compile(compiler_options()), shape_of(lowered.out_info)


def compile_sums(problem: Problem, outputs: jax.ShapeDtypeStruct) -> Compiled:
    """`(outputs, batch, is_real) -> sums` of `Task.metric_sums`."""
    return _sums(problem, outputs.shape, outputs.dtype.name)


@functools.lru_cache(maxsize=8)
def _sums(problem: Problem, shape: tuple[int, ...], dtype: str) -> Compiled:
    batch, is_real = batch_shapes(problem, shape[:1]), jax.ShapeDtypeStruct(shape[:1], jnp.bool_)
    program = jax.jit(problem.task.metric_sums).lower(jax.ShapeDtypeStruct(shape, dtype), batch, is_real)
    return program.compile(compiler_options())
