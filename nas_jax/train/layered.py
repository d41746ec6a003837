"""Trains a network as a chain of the programs of its layers (`layers.py`)."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from flax import linen as nn

from nas_jax.data.arrays import EpochBatches, num_examples
from nas_jax.tasks.base import Problem
from nas_jax.train.batch_programs import Compiled, compile_draw, compile_inputs, compile_loss, compile_sums
from nas_jax.train.evaluation import evaluation_batch_size, metrics_of, padded_batches
from nas_jax.train.feeding import feed_of
from nas_jax.train.layers import Layer, LayerState, compile_evaluation, compile_layers, state_of
from nas_jax.train.optimizers import Optimizer
from nas_jax.train.parallel.placement import Placement
from nas_jax.train.recipe import Recipe, make_optimizer
from nas_jax.train.variables import Plan, Variables, draw_variables


@runtime_checkable
class Staged(Protocol):
    """A network that is a chain of modules: each takes `(x, train)`, and has its variables under its name."""

    def stages(self) -> tuple[nn.Module, ...]: ...


class ChainState(NamedTuple):
    """Everything that a training step needs of the past, layer by layer."""

    step: int
    seed: np.uint32
    layers: list[LayerState]


class _Batches(NamedTuple):
    """What is compiled for batches of one size: the draw, the layers, and the loss with its gradient."""

    draw: Compiled  # (seed, step, examples, indices) -> inputs, batch
    layers: tuple[Layer, ...]
    loss: Compiled  # (outputs, batch) -> loss, its gradient

    def step(self, state: ChainState, examples: Any, indices: np.ndarray, rate: np.float32) -> Any:
        """A step in place: the layers' states in `state` are replaced. Returns the loss."""
        x, batch = self.draw(state.seed, np.int32(state.step), examples, indices)
        states, inputs, saved = state.layers, [], []
        for i, layer in enumerate(self.layers):
            inputs.append(x)
            noise = state.seed, np.int32(state.step), np.int32(i)
            x, statistics, kept = layer.forward(states[i].params, states[i].statistics, x, noise)
            states[i] = states[i]._replace(statistics=statistics)
            saved.append(kept)
        loss, gradient = self.loss(x, batch)
        for i in reversed(range(len(self.layers))):
            backward = self.layers[i].backward
            if backward is None:
                break
            params, _, opt_state = states[i]
            gradient, params, opt_state = backward(saved.pop(), inputs.pop(), gradient, params, opt_state, rate)
            states[i] = states[i]._replace(params=params, opt_state=opt_state)
        return loss


@dataclass(frozen=True, eq=False)
class LayeredNetwork:
    """A `programs.Program` that is a chain of layers."""

    problem: Problem
    placement: Placement
    optimizer: Optimizer
    full: _Batches
    rest: _Batches | None
    validate: Callable[[Sequence[LayerState]], dict[str, float]]

    def start(self, seed: int) -> ChainState:
        plan: Plan = {}
        for layer in self.full.layers:
            for name, own in layer.plan.items():
                plan.setdefault(name, {})[layer.name] = own
        variables = draw_variables(plan, seed)
        states = [state_of(layer, variables, self.optimizer) for layer in self.full.layers]
        return ChainState(0, np.uint32(seed), jax.device_put(states, self.placement.replicated))

    def run_epoch(
        self, state: ChainState, batches: EpochBatches, learning_rates: np.ndarray
    ) -> tuple[ChainState, float]:
        feed = feed_of(self.problem.dataset, self.placement.replicated)
        state = state._replace(layers=list(state.layers))
        steps = [(self.full, len(each)) for each in batches.full]
        read = feed.steps(batches.full)
        if self.rest is not None:
            steps.append((self.rest, len(batches.rest)))
            read = itertools.chain(read, feed.steps(batches.rest[None]))
        losses = []
        for (programs, _), (examples, indices), rate in zip(steps, read, learning_rates, strict=True):
            losses.append(programs.step(state, examples, indices, rate))
            state = state._replace(step=state.step + 1)
        return state, float(np.average(jax.device_get(losses), weights=[size for _, size in steps]))

    def evaluate(self, state: ChainState) -> dict[str, float]:
        final = self.optimizer.final
        return self.validate([each._replace(params=final(each.params, each.opt_state)) for each in state.layers])

    def variables(self, state: ChainState) -> Variables:
        variables: Variables = {}
        for layer, (params, statistics, opt_state) in zip(self.full.layers, jax.device_get(state.layers), strict=True):
            final = self.optimizer.final(params, opt_state)
            for name in layer.plan:
                variables.setdefault(name, {})[layer.name] = final if name == "params" else statistics[name]
        return variables


def compile_layered(network: Staged, problem: Problem, recipe: Recipe, placement: Placement) -> LayeredNetwork:
    """Compiles those layers of `network` that no earlier network of this process had.

    Raises:
        ValueError: two stages of the network have one name, or one that has variables has none.
    """
    stages, optimizer = network.stages(), make_optimizer(recipe)
    names = [stage.name for stage in stages if stage.name]
    if len(set(names)) < len(names):
        raise ValueError(f"{type(network).__name__}: two stages have one name, of {names}")

    def compile_batches(size: int) -> _Batches:
        draw, inputs = compile_draw(problem, recipe.dtype.name, size)
        layers = compile_layers(stages, inputs, optimizer)
        for stage, layer in zip(stages, layers, strict=True):
            if layer.plan and not stage.name:
                raise ValueError(
                    f"{type(network).__name__}: a stage {type(stage).__name__} has variables and no name; give it that "
                    "of the layer in the whole network"
                )
        return _Batches(draw, layers, compile_loss(problem, layers[-1].outputs))

    num_left = num_examples(problem.dataset.train) % recipe.batch_size
    full = compile_batches(recipe.batch_size)
    return LayeredNetwork(
        problem,
        placement,
        optimizer,
        full,
        compile_batches(num_left) if num_left and not recipe.drop_last else None,
        _compile_validation(stages, problem, recipe, [layer.shapes for layer in full.layers]),
    )


def _compile_validation(
    stages: Sequence[nn.Module], problem: Problem, recipe: Recipe, shapes: Sequence[Variables]
) -> Callable[[Sequence[LayerState]], dict[str, float]]:
    """Returns `states -> metrics` on the validation split, exact for one of any size."""
    val, size = problem.dataset.val, evaluation_batch_size(problem)
    to_inputs, inputs = compile_inputs(problem, recipe.dtype.name)
    outputs, layers = compile_evaluation(stages, inputs, shapes)
    to_sums = compile_sums(problem, outputs)

    def validate(states: Sequence[LayerState]) -> dict[str, float]:
        sums = []
        for batch, is_real in padded_batches(val, size):
            x = to_inputs(batch)
            for evaluate, state in zip(layers, states, strict=True):
                x = evaluate(state.params, state.statistics, x)
            sums.append(to_sums(x, batch, is_real))
        return metrics_of(problem, jax.device_get(sums), num_examples(val), "val")

    return validate
