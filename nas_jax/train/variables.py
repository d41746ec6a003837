"""The variables of a network before its training: drawn on the host, without compiling anything."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from nas_jax.tasks.base import Problem

Variables = dict[str, Any]  # "params" and, with batch normalisation, "batch_stats"


def initialize(network: nn.Module, input_shape: tuple[int, ...], seed: int) -> Variables:
    """Draws the variables of a network that takes float32 `[b, *input_shape]`.

    Kernels are normal with variance 2 / fan-in (He et al. 2015, eq. 10), scales and variances one, biases and means
    zero.
    """
    inputs = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    return jax.tree.map(jnp.asarray, draw_variables(variable_shapes(network, inputs), seed))


def variable_shapes(network: nn.Module, inputs: Any) -> Variables:
    """The variables of a network as `jax.ShapeDtypeStruct`s. `inputs` are what it takes, of a batch of one, or such.

    They come from an abstract evaluation, so nothing is compiled: `jax.jit(network.init)` would be for a new
    architecture.
    """
    return jax.eval_shape(lambda given: network.init(jax.random.key(0), given, train=False), inputs)


def input_shapes(problem: Problem) -> Any:
    """What a network of the problem takes, of a batch of one, as `jax.ShapeDtypeStruct`s."""
    spec = problem.dataset.spec
    batch = {name: jax.ShapeDtypeStruct((1, *array.shape), array.dtype) for name, array in spec.arrays.items()}
    return jax.eval_shape(lambda given: problem.task.inputs(given, spec, jnp.float32), batch)


def draw_variables(shapes: Variables, seed: int) -> Variables:
    """As `initialize`, of what `variable_shapes` has returned: NumPy's arrays, so that nothing is compiled for them."""
    rng = np.random.default_rng(seed)

    def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        name = path[-1].key
        if name == "kernel":
            fan_in = int(np.prod(leaf.shape[:-1]))
            value = rng.normal(scale=np.sqrt(2 / fan_in), size=leaf.shape)
        else:
            value = np.full(leaf.shape, {"scale": 1.0, "var": 1.0, "bias": 0.0, "mean": 0.0}[name])
        return np.asarray(value, leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)
