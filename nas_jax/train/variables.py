"""The variables of a network before its training: drawn on the host by the network's own initialisers.

`network.init` is traced once, and of what it does, that which gives the variables is computed with NumPy (`host.py`):
nothing is compiled for a new architecture. What NumPy does not know is compiled once for all variables of its kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.extend import core

from nas_jax.tasks.base import Problem
from nas_jax.train.host import (
    Key,
    UnknownOperationError,
    key_array,
    needed_equations,
    number_of,
    run_equations,
    value_of,
)
from nas_jax.train.once import Once

Variables = dict[str, Any]  # "params" and, with batch normalisation, "batch_stats"
Plan: TypeAlias = dict[str, Any]  # of the structure of variables: how each one is drawn


def initialize(network: nn.Module, input_shape: tuple[int, ...], seed: int) -> Variables:
    """Draws the variables of a network that takes float32 `[b, *input_shape]`."""
    inputs = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    return jax.tree.map(jnp.asarray, draw_variables(plan_variables(network, inputs), seed))


def input_shapes(problem: Problem) -> Any:
    """What a network of the problem takes, of a batch of one, as `jax.ShapeDtypeStruct`s."""
    spec = problem.dataset.spec
    batch = {name: jax.ShapeDtypeStruct((1, *array.shape), array.dtype) for name, array in spec.arrays.items()}
    return jax.eval_shape(lambda given: problem.task.inputs(given, spec, jnp.float32), batch)


@dataclass(frozen=True, eq=False)
class Planned:
    """How a variable is drawn: the equations of `network.init` that give it."""

    struct: jax.ShapeDtypeStruct
    equations: tuple[Any, ...]
    key: Any  # the variable of the equations that is the key
    known: Mapping[Any, Any]  # the values of their other variables that no equation gives
    result: Any

    def draw(self, numbers: tuple[int, ...], stream: np.random.Generator) -> np.ndarray:
        values = {**self.known, self.key: key_array(Key(numbers, stream))}
        try:
            run_equations(self.equations, values)
        except UnknownOperationError:
            return self._draw_compiled(numbers)
        return np.array(value_of(self.result, values))  # a copy: some are views of one number

    def _draw_compiled(self, numbers: tuple[int, ...]) -> np.ndarray:
        """By a program that all variables with the same initialiser, shape and type share."""

        is_fold = [each.primitive.name == "random_fold_in" and each.invars[0] is self.key for each in self.equations]
        folded = [each.outvars[0] for each, is_first in zip(self.equations, is_fold, strict=True) if is_first]
        rest = [each for each, is_first in zip(self.equations, is_fold, strict=True) if not is_first]
        keys = [self.key, *folded]  # all alike: the place in the network is in the key already
        jaxpr = core.Jaxpr(list(self.known), keys, [self.result], rest)
        function = core.jaxpr_as_fun(core.ClosedJaxpr(jaxpr, list(self.known.values())))

        def draw(words: jax.Array) -> jax.Array:
            key = jax.random.fold_in(jax.random.key(words[0]), words[1])
            return function(*[key] * len(keys))[0]

        words = np.array(numbers, np.uint32)
        traced = jax.jit(draw).trace(words)
        arrays = map(np.asarray, traced.jaxpr.consts)
        known = tuple((each.shape, each.dtype.name, each.tobytes()) for each in arrays)
        program = _COMPILED.get((str(traced.jaxpr), known), lambda: traced.lower().compile())
        return np.array(program(words))


_COMPILED: Once[Any] = Once()


def plan_variables(network: nn.Module, inputs: Any) -> Plan:
    """How a network's variables are drawn, without drawing them.

    Args:
        inputs: what it takes, of a batch of one, or its shapes. An initialiser that asks for them gets zeros.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))

    def init(key: jax.Array, given: Any) -> Variables:
        return dict(network.init(key, given, train=False))

    closed, shapes = jax.make_jaxpr(init, return_shape=True)(key, inputs)
    jaxpr = closed.jaxpr
    known = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    given: list[Any] = jaxpr.invars[1:]
    known |= {var: np.zeros(var.aval.shape, var.aval.dtype) for var in given}
    leaves, structure = jax.tree.flatten(shapes)
    planned = []
    needed = needed_equations(jaxpr, jaxpr.outvars)
    for leaf, var, equations in zip(leaves, jaxpr.outvars, needed, strict=True):
        used = {each for equation in equations for each in equation.invars if not isinstance(each, core.Literal)}
        own = {each: value for each, value in known.items() if each in used or each is var}
        struct = jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
        planned.append(Planned(struct, equations, jaxpr.invars[0], own, var))
    return jax.tree.unflatten(structure, planned)


def shapes_of(plan: Plan) -> Variables:
    """The variables as `jax.ShapeDtypeStruct`s."""
    return jax.tree.map(lambda planned: planned.struct, plan)


def variable_shapes(network: nn.Module, inputs: Any) -> Variables:
    """As `shapes_of` of `plan_variables`."""
    return shapes_of(plan_variables(network, inputs))


def draw_variables(plan: Plan, seed: int) -> Variables:
    """NumPy's arrays, drawn by the network's own initialisers; each variable has a stream of its own, by its name.

    Those of `nas_jax.layers.he_kernel` share one.
    """
    stream = np.random.default_rng(seed)

    def draw(path: tuple[Any, ...], planned: Planned) -> np.ndarray:
        return planned.draw((seed, number_of(jax.tree_util.keystr(path))), stream)

    return jax.tree_util.tree_map_with_path(draw, plan)
