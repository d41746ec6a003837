"""A network as one file that JAX runs alone: without Flax, without this package, on a CPU or an NVIDIA GPU.

from jax import export
program = export.deserialize(Path("best/program.bin").read_bytes())
predictions = program.call(inputs)  # of a classifier uint8 [b, h, w, c] -> float32 [b, classes], for any b

The file holds StableHLO and the parameters, in the format of `jax.export` (https://docs.jax.dev/en/latest/export).
A later JAX reads it for at least six months. Writing and reading need the package flatbuffers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import export

from nas_jax.data.arrays import ArraySpec, Batch, Spec
from nas_jax.tasks.base import Task

PLATFORMS = ("cpu", "cuda")


def make_shipped(network: nn.Module, task: Task, spec: Spec) -> Callable[[Any, Batch], Any]:
    """Returns `(variables, batch) -> outputs`, a pure function: the network as it is shipped, which is in float32.

    Products are computed in full float32 on every device, where an accelerator would round their inputs to fewer bits
    by itself: what a network answers should not depend on who runs it.
    """

    def shipped(variables: Any, batch: Batch) -> Any:
        with jax.default_matmul_precision("highest"):
            return network.apply(variables, task.inputs(batch, spec, jnp.float32), train=False)

    return shipped


def make_predict(network: nn.Module, task: Task, spec: Spec) -> Callable[[Any, jax.Array], Any]:
    """Returns `(variables, inputs) -> predictions`, a pure function; inputs as they are in the data set."""
    shipped = make_shipped(network, task, spec)
    return lambda variables, inputs: task.predict(shipped(variables, {task.input_name: inputs}))


def program_bytes(predict: Callable[[jax.Array], Any], one: ArraySpec, platforms: Sequence[str] = PLATFORMS) -> bytes:
    """Serialises `predict`, a function of inputs, each of which is as `one`, whose parameters become constants.

    Layers that have one form for CPUs and another for accelerators are written in the form of this process, on all
    `platforms`: what they compute is the same, and one of them may be slower than it could be.
    """
    (batch,) = export.symbolic_shape("b")
    inputs = jax.ShapeDtypeStruct((batch, *one.shape), one.dtype)
    return bytes(export.export(jax.jit(predict), platforms=platforms)(inputs).serialize())
