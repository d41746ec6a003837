"""A program a layer: a network is a chain of programs that all networks with such layers share.

Architectures of a space are made of the same few layers on inputs of the same few shapes. Each of these pairs is
compiled once a process (forward, backward with the update, evaluation), and a network then starts without any
compilation of its own. What it costs is that no operation is fused across layers, and a call a layer where one scan
could take an epoch (`experiments/compile_time` has the measurements).

The numbers are those of the whole network, up to rounding: the same draws, the same order of operations.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from nas_jax.cpu.compiler import compiler_options
from nas_jax.train.batch_programs import Compiled, shape_of
from nas_jax.train.once import Once
from nas_jax.train.step import descend, statistics_of, zeros_of
from nas_jax.train.variables import Variables


class LayerState(NamedTuple):
    """What a layer has learned: its parameters, its other variables, and what its optimiser remembers."""

    params: Any
    statistics: Any
    opt_state: Any


class Layer(NamedTuple):
    """A layer that is compiled for inputs of one shape.

    `forward(params, statistics, x) -> (y, statistics, saved)`.
    `backward(saved, x, dy, params, opt_state, learning_rate) -> (dx, params, opt_state)`; params and opt_state are used
    up. Without anything to learn in this layer or before it there is no `backward`.
    """

    name: str
    shapes: Variables
    outputs: Any
    forward: Compiled
    backward: Compiled | None


_TRAINING: Once[Layer] = Once()
_EVALUATION: Once[tuple[Any, Compiled]] = Once()


def compile_layers(
    stages: Sequence[nn.Module], inputs: Any, optimizer: optax.GradientTransformation
) -> tuple[Layer, ...]:
    """The layers of a network for training on `inputs`, an example of a batch or its shapes."""
    layers: list[Layer] = []
    for stage in stages:
        is_first = not any(layer.shapes.get("params") for layer in layers)
        key = (nameless(stage), _shape_key(inputs), optimizer, is_first)
        layer = _TRAINING.get(key, lambda: _compile(nameless(stage), inputs, optimizer, is_first=is_first))  # noqa: B023
        layers.append(layer._replace(name=stage.name or ""))
        inputs = layer.outputs
    return tuple(layers)


def compile_evaluation(
    stages: Sequence[nn.Module], inputs: Any, shapes: Sequence[Variables]
) -> tuple[Any, list[Compiled]]:
    """The shape of the outputs, and for each layer `(params, statistics, x) -> y`."""
    programs = []
    for stage, variables in zip(stages, shapes, strict=True):
        key = (nameless(stage), _shape_key(inputs))
        inputs, program = _EVALUATION.get(key, lambda: _compile_evaluation(nameless(stage), inputs, variables))  # noqa: B023
        programs.append(program)
    return inputs, programs


def nameless(stage: nn.Module) -> nn.Module:
    """The layer as it is in any network."""
    return stage.clone(name=None, parent=None)


def _shape_key(tree: Any) -> Hashable:
    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple((leaf.shape, np.dtype(leaf.dtype).name) for leaf in leaves)


def _compile(stage: nn.Module, x: Any, optimizer: optax.GradientTransformation, *, is_first: bool) -> Layer:
    shapes = jax.eval_shape(lambda x: stage.init(jax.random.key(0), x, train=False), x)
    params, statistics = shapes.get("params", {}), statistics_of(shapes)
    is_learning = bool(params) or not is_first
    pullbacks: list[_Pullback] = []

    def apply(params: Any, x: Any, statistics: Any) -> tuple[Any, Any]:
        y, updated = stage.apply({"params": params, **statistics}, x, train=True, mutable=list(statistics))
        return y, dict(updated)

    def forward(params: Any, statistics: Any, x: Any) -> tuple[Any, Any, list[Any]]:
        if not is_learning:
            return *apply(params, x, statistics), []
        if is_first:  # images have no gradient that anybody needs
            y, pullback, updated = jax.vjp(lambda params: apply(params, x, statistics), params, has_aux=True)
        else:
            y, pullback, updated = jax.vjp(lambda params, x: apply(params, x, statistics), params, x, has_aux=True)
        leaves, structure = jax.tree.flatten(pullback)
        given = jax.tree.leaves((params, x))
        places = [next((i for i, other in enumerate(given) if other is leaf), None) for leaf in leaves]
        pullbacks.append(_Pullback(structure, tuple(places)))
        return y, updated, [leaf for leaf, place in zip(leaves, places, strict=True) if place is None]

    lowered = jax.jit(forward).lower(params, statistics, x)
    y, _, saved = shape_of(lowered.out_info)
    compiled = lowered.compile(compiler_options())
    if not is_learning:
        return Layer("", shapes, y, compiled, None)

    def backward(saved: Any, x: Any, dy: Any, params: Any, opt_state: Any, learning_rate: jax.Array) -> Any:
        gradients, *dx = pullbacks[0].restore(saved, (params, x))(dy)
        return (*dx, None)[0], *descend(optimizer, gradients, opt_state, params, learning_rate)

    opt_state = jax.eval_shape(optimizer.init, params)
    rate = jax.ShapeDtypeStruct((), jnp.float32)
    program = jax.jit(backward, donate_argnames=("params", "opt_state")).lower(saved, x, y, params, opt_state, rate)
    return Layer("", shapes, y, compiled, program.compile(compiler_options()))


class _Pullback(NamedTuple):
    """A function of `jax.vjp` without its arrays: those of the layer's own arguments are not saved twice."""

    structure: Any
    places: tuple[int | None, ...]  # among the arguments, or None for what was saved

    def restore(self, saved: Sequence[Any], arguments: Any) -> Callable[..., Any]:
        given, rest = jax.tree.leaves(arguments), iter(saved)
        leaves = [next(rest) if place is None else given[place] for place in self.places]
        return jax.tree.unflatten(self.structure, leaves)


def _compile_evaluation(stage: nn.Module, x: Any, shapes: Variables) -> tuple[Any, Compiled]:
    def evaluate(params: Any, statistics: Any, x: Any) -> Any:
        return stage.apply({"params": params, **statistics}, x, train=False)

    lowered = jax.jit(evaluate).lower(shapes.get("params", {}), statistics_of(shapes), x)
    return shape_of(lowered.out_info), lowered.compile(compiler_options())


def state_of(layer: Layer, variables: Variables, optimizer: optax.GradientTransformation) -> LayerState:
    """The layer's part of the variables of a network, before the first step, on the host."""
    own = {name: variables[name][layer.name] for name in layer.shapes}
    params = own.get("params", {})
    return LayerState(params, statistics_of(own), zeros_of(optimizer, params))
