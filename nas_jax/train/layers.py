"""A program a layer: a network is a chain of programs that all networks with such layers share.

Architectures of a space are made of the same few layers on inputs of the same few shapes. Each of these pairs is
compiled once a process (forward, backward with the update, evaluation), and a network then starts without any
compilation of its own. What it costs is that no operation is fused across layers, and a call a layer where one scan
could take an epoch (`experiments/compile_time` has the measurements).

The numbers are those of the whole network, up to rounding: the same draws, the same order of operations. Only what is
dropped out is drawn anew: a layer's random keys come from its place, and in the whole network from its path.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from nas_jax.cpu.compiler import compiler_options
from nas_jax.train.batch_programs import Compiled, shape_of
from nas_jax.train.once import Once
from nas_jax.train.optimizers import Optimizer
from nas_jax.train.step import noise_key, rngs_of, statistics_of
from nas_jax.train.variables import Plan, Variables, plan_variables, shapes_of


class LayerState(NamedTuple):
    """What a layer has learned: its parameters, its other variables, and what its optimiser remembers."""

    params: Any
    statistics: Any
    opt_state: Any


class Layer(NamedTuple):
    """A layer that is compiled for inputs of one shape.

    `forward(params, statistics, x, noise) -> (y, statistics, saved)`; noise is seed, step and the layer's place.
    `backward(saved, x, dy, params, opt_state, learning_rate) -> (dx, params, opt_state)`; params and opt_state are used
    up. Without anything to learn in this layer or before it there is no `backward`.
    """

    name: str
    plan: Plan
    outputs: Any
    forward: Compiled
    backward: Compiled | None

    @property
    def shapes(self) -> Variables:
        return shapes_of(self.plan)


_TRAINING: Once[Layer] = Once()
_EVALUATION: Once[tuple[Any, Compiled]] = Once()


def compile_layers(stages: Sequence[nn.Module], inputs: Any, optimizer: Optimizer) -> tuple[Layer, ...]:
    """The layers of a network for training on `inputs`, an example of a batch or its shapes."""
    layers: list[Layer] = []
    for stage in stages:
        is_first = not any(layer.plan.get("params") for layer in layers)
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


def _compile(stage: nn.Module, x: Any, optimizer: Optimizer, *, is_first: bool) -> Layer:
    plan = plan_variables(stage, x)
    shapes = shapes_of(plan)
    params, statistics = shapes.get("params", {}), statistics_of(shapes)
    is_learning = bool(params) or not is_first
    pullbacks: list[_Pullback] = []

    def forward(params: Any, statistics: Any, x: Any, noise: Any) -> tuple[Any, Any, list[Any]]:
        seed, step, place = noise
        rngs = rngs_of(jax.random.fold_in(noise_key(seed, step), place))

        def apply(params: Any, x: Any, statistics: Any) -> tuple[Any, Any]:
            variables = {"params": params, **statistics}
            y, updated = stage.apply(variables, x, train=True, mutable=list(statistics), rngs=rngs)
            return y, dict(updated)

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

    noise = jax.ShapeDtypeStruct((), jnp.uint32), *[jax.ShapeDtypeStruct((), jnp.int32)] * 2
    lowered = jax.jit(forward).lower(params, statistics, x, noise)
    y, _, saved = shape_of(lowered.out_info)
    compiled = lowered.compile(compiler_options())
    if not is_learning:
        return Layer("", plan, y, compiled, None)

    def backward(saved: Any, x: Any, dy: Any, params: Any, opt_state: Any, learning_rate: jax.Array) -> Any:
        gradients, *dx = pullbacks[0].restore(saved, (params, x))(dy)
        return (*dx, None)[0], *optimizer.step(gradients, opt_state, params, learning_rate)

    opt_state = jax.eval_shape(optimizer.init, params)
    rate = jax.ShapeDtypeStruct((), jnp.float32)
    program = jax.jit(backward, donate_argnames=("params", "opt_state")).lower(saved, x, y, params, opt_state, rate)
    return Layer("", plan, y, compiled, program.compile(compiler_options()))


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


def state_of(layer: Layer, variables: Variables, optimizer: Optimizer) -> LayerState:
    """The layer's part of the variables of a network, before the first step, on the host."""
    own = {name: variables[name][layer.name] for name in layer.plan}
    params = own.get("params", {})
    return LayerState(params, statistics_of(own), optimizer.start(params))
