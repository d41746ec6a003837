"""A program a network: all layers, forward and backward, and the update, compiled together.

On a CPU the steps are a loop in Python: XLA runs convolutions inside its own loops many times slower there.
On accelerators one call scans the steps of an epoch. Either way a network is compiled once for training and
once for evaluation, ahead of time, so that a change of shape is an error and never a silent recompilation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from nas_jax.data.arrays import Batch, EpochBatches, num_examples
from nas_jax.tasks.base import Problem
from nas_jax.train.evaluation import compile_validation
from nas_jax.train.feeding import Feed, Resident, feed_of, feed_shapes
from nas_jax.train.lengths import Lengths, lengths_for, shortened, shortened_arrays
from nas_jax.train.optimizers import Optimizer
from nas_jax.train.parallel.placement import Placement
from nas_jax.train.recipe import Recipe, make_optimizer
from nas_jax.train.step import (
    Layout,
    TrainState,
    initial_state,
    layout_of,
    make_eval_step,
    make_forward,
    make_train_step,
    state_shapes,
)
from nas_jax.train.variables import Plan, Variables, draw_variables, input_shapes, plan_variables, shapes_of

Steps = Callable[[TrainState, Feed, np.ndarray, np.ndarray], tuple[TrainState, np.ndarray]]


@dataclass(frozen=True, eq=False)
class WholeNetwork:
    """A `programs.Program` of one network: training steps and the evaluation, compiled."""

    problem: Problem
    placement: Placement
    optimizer: Optimizer
    plan: Plan
    layout: Layout
    run_full: Steps
    run_rest: Steps | None
    validate: Callable[[Any], dict[str, float]]

    def start(self, seed: int) -> TrainState:
        state = initial_state(draw_variables(self.plan, seed), self.optimizer, seed)
        return jax.device_put(state, self.placement.replicated)

    def run_epoch(
        self, state: TrainState, batches: EpochBatches, learning_rates: np.ndarray
    ) -> tuple[TrainState, float]:
        feed = feed_of(self.problem.dataset, self.placement.replicated)
        num_full = len(batches.full)
        state, losses = self.run_full(state, feed, batches.full, learning_rates[:num_full])
        mean = float(losses.mean())
        if self.run_rest is None:
            return state, mean
        state, (last,) = self.run_rest(state, feed, batches.rest[None], learning_rates[num_full:])
        share = len(batches.rest) / (batches.full.size + len(batches.rest))
        return state, mean + (float(last) - mean) * share

    def evaluate(self, state: TrainState) -> dict[str, float]:
        return self.validate((self.optimizer.final(state.params, state.opt_state), state.statistics))

    def variables(self, state: TrainState) -> Variables:
        state = jax.device_get(state)
        return self.layout.variables(state._replace(params=self.optimizer.final(state.params, state.opt_state)))


def compile_whole(
    network: nn.Module, problem: Problem, recipe: Recipe, placement: Placement, *, is_scanned: bool
) -> WholeNetwork:
    """Compiles the training of `network` and its evaluation.

    Args:
        is_scanned: One call takes all steps of an epoch, where the examples are on the devices, and all batches of the
            evaluation.
    """
    plan = plan_variables(network, input_shapes(problem))
    shapes = shapes_of(plan)
    layout = layout_of(shapes)
    optimizer = make_optimizer(recipe).of_packed(layout.params)
    state = state_shapes(shapes, optimizer)

    def compile_batches(shape: tuple[int, int], examples: Batch | None = None) -> Steps:
        step = make_train_step(network, layout, problem, recipe, optimizer, placement.sharing(shape[-1]))
        examples = feed_shapes(problem.dataset, shape[-1]) if examples is None else examples
        return compile_steps(step, placement, state, examples, shape, is_scanned=steps_are_scanned)

    steps_are_scanned = is_scanned and problem.dataset.stored is None
    num_full, num_left = divmod(num_examples(problem.dataset.train), recipe.batch_size)
    lengths = None if is_scanned else lengths_for(network, problem.dataset, num_full * recipe.num_epochs)
    if lengths is None:
        run_full = compile_batches((num_full, recipe.batch_size))
    else:
        one_batch = (1, recipe.batch_size)
        run_full = steps_by_length(
            lengths,
            {length: compile_batches(one_batch, shortened(problem.dataset.train, length)) for length in lengths.each},
            lambda: shortened_arrays(problem.dataset, placement.replicated),
        )
    eval_step = make_eval_step(make_forward(network, problem, recipe), problem.task)

    def eval_packed(packed: Any, batch: Batch, is_real: jax.Array) -> Any:
        params, statistics = packed
        return eval_step(layout.variables(state._replace(params=params, statistics=statistics)), batch, is_real)

    return WholeNetwork(
        problem,
        placement,
        optimizer,
        plan,
        layout,
        run_full,
        compile_batches((1, num_left)) if num_left and not recipe.drop_last else None,
        compile_validation(eval_packed, problem, (state.params, state.statistics), placement, is_scanned=is_scanned),
    )


def compile_steps(
    step: Callable[..., Any],
    placement: Placement,
    state: TrainState,
    examples: Batch,
    batches_shape: tuple[int, int],
    *,
    is_scanned: bool,
) -> Steps:
    """Returns `(state, feed, batches, learning_rates) -> (state, losses)`, which takes a step for each batch.

    `batches` are the places of examples, `[steps, b]`; learning rates and losses are `[steps]`. The state that is
    passed in is used up.

    Args:
        examples: What a step reads of the feed, or its shapes.
        is_scanned: One call takes all steps; the feed is resident.
    """

    def all_steps(state: TrainState, examples: Batch, batches: jax.Array, learning_rates: jax.Array) -> Any:
        return jax.lax.scan(lambda carry, each: step(carry, examples, *each), state, (batches, learning_rates))

    shapes = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), examples)
    shape = batches_shape if is_scanned else batches_shape[-1:]
    compiled = placement.compile(all_steps if is_scanned else step, state, shapes, shape)

    def run_steps(
        state: TrainState, feed: Feed, batches: np.ndarray, learning_rates: np.ndarray
    ) -> tuple[TrainState, np.ndarray]:
        if is_scanned:
            assert isinstance(feed, Resident)
            state, losses = compiled(state, feed.examples, batches, learning_rates)
            return state, np.asarray(losses)
        losses = []
        for (arrays, indices), rate in zip(feed.steps(batches), learning_rates, strict=True):
            state, loss = compiled(state, arrays, indices, rate)
            losses.append(loss)
        return state, np.stack(jax.device_get(losses))

    return run_steps


def steps_by_length(lengths: Lengths, steps: dict[int, Steps], examples: Callable[[], dict[int, Batch]]) -> Steps:
    """As `compile_steps` returns it, of batches of one length each.

    Args:
        steps: For one batch, by its length.
        examples: Returns the training split by length, which takes the place of what is passed.
    """

    def run_steps(
        state: TrainState, _: Feed, batches: np.ndarray, learning_rates: np.ndarray
    ) -> tuple[TrainState, np.ndarray]:
        by_length, batches = examples(), lengths.sorted_batches(batches)
        losses = []
        for place, length in enumerate(lengths.of_batches(batches)):
            one = slice(place, place + 1)
            state, loss = steps[length](state, Resident(by_length[length]), batches[one], learning_rates[one])
            losses.append(loss)
        return state, np.concatenate(losses)

    return run_steps
