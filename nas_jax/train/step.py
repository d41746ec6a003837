"""What one step does to a network: pure functions that the caller compiles."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from nas_jax.data.arrays import Batch
from nas_jax.tasks.base import Problem, Task
from nas_jax.train.losses import mean_loss
from nas_jax.train.optimizers import Optimizer
from nas_jax.train.packing import Packed, Packing, packing_of
from nas_jax.train.recipe import Recipe
from nas_jax.train.variables import Variables

_NOISE = 0xD0


class TrainState(NamedTuple):
    """Everything that a training step needs of the past. The seed is part of it so that one program serves them all.

    `statistics` are all variables that are no parameters: those of batch normalisation.
    """

    step: jax.typing.ArrayLike  # int32
    seed: jax.typing.ArrayLike  # uint32
    params: Packed
    statistics: Packed
    opt_state: Any


class Layout(NamedTuple):
    """How the variables of a network lie in the state of its training."""

    params: Packing
    statistics: Packing

    def variables(self, state: TrainState) -> Variables:
        """In the state of a compiled function, or on the host: NumPy's arrays there."""
        return {"params": self.params.unpack(state.params), **self.statistics.unpack(state.statistics)}


def layout_of(shapes: Variables) -> Layout:
    return Layout(packing_of(shapes.get("params", {})), packing_of(statistics_of(shapes)))


def statistics_of(variables: Variables) -> Variables:
    """All that is no parameter."""
    return {name: value for name, value in variables.items() if name != "params"}


def initial_state(variables: Variables, optimizer: Optimizer, seed: int) -> TrainState:
    """The state before the first step, on the host: NumPy's arrays, so that nothing is compiled for it."""
    layout = layout_of(variables)
    params = layout.params.pack(variables.get("params", {}), np.concatenate)
    statistics = layout.statistics.pack(statistics_of(variables), np.concatenate)
    return TrainState(np.int32(0), np.uint32(seed), params, statistics, optimizer.start(params))


def state_shapes(shapes: Variables, optimizer: Optimizer) -> TrainState:
    """As `initial_state` of variables of the given shapes, as `jax.ShapeDtypeStruct`s."""
    layout = layout_of(shapes)

    def start(variables: Variables) -> TrainState:
        params = layout.params.pack(variables.get("params", {}))
        statistics = layout.statistics.pack(statistics_of(variables))
        return TrainState(jnp.int32(0), jnp.uint32(0), params, statistics, optimizer.init(params))

    return jax.eval_shape(start, shapes)


@runtime_checkable
class Sharing(Protocol):
    """How a step deals with a batch that is shared with other devices."""

    def draw(self, draw: Callable[[int], Any], num: int) -> Any: ...
    def mean(self, values: Any) -> Any: ...
    def own_key(self, key: jax.Array) -> jax.Array: ...
    def sharing_statistics(self) -> AbstractContextManager[None]: ...


class Alone:
    """The step sees the whole batch: there is nothing to share."""

    def draw(self, draw: Callable[[int], Any], num: int) -> Any:
        return draw(num)

    def mean(self, values: Any) -> Any:
        return values

    def own_key(self, key: jax.Array) -> jax.Array:
        return key

    def sharing_statistics(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


ALONE = Alone()


def make_draw_batch(
    problem: Problem, dtype: jax.typing.DTypeLike, sharing: Sharing = ALONE
) -> Callable[..., tuple[Any, Batch]]:
    """Returns `(seed, step, examples, indices) -> (inputs, batch)`: examples are picked, augmented and made inputs."""
    task, spec, augmentation = problem.task, problem.dataset.spec, problem.dataset.augmentation

    def draw_batch(
        seed: jax.typing.ArrayLike, step: jax.typing.ArrayLike, examples: Batch, indices: Int[Array, " b"]
    ) -> tuple[Any, Batch]:
        key = jax.random.fold_in(jax.random.key(seed), step)
        picked = {name: array[indices] for name, array in examples.items()}
        draws = sharing.draw(lambda num: task.draw(key, num, augmentation), len(indices))
        batch = task.augment(picked, draws, augmentation)
        return task.inputs(batch, spec, dtype), batch

    return draw_batch


def noise_key(seed: jax.typing.ArrayLike, step: jax.typing.ArrayLike) -> jax.Array:
    """Of what is random within a network in one step, as dropout is. Augmentation has another one."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), step), _NOISE)


def rngs_of(key: jax.Array) -> dict[str, jax.Array]:
    """For `network.apply`: Flax takes this one for every name that a network asks for and that is not there."""
    return {"params": key}


def make_train_step(
    network: nn.Module,
    layout: Layout,
    problem: Problem,
    recipe: Recipe,
    optimizer: Optimizer,
    sharing: Sharing = ALONE,
) -> Callable[..., tuple[TrainState, Float[Array, ""]]]:
    """Returns `(state, examples, indices, learning_rate) -> (state, loss)` for one mini-batch.

    `examples` are the whole training split, `indices` `[b]` the batch. `loss` is the mean over the batch. The learning
    rate is an argument, so that trainings of any length and schedule share a program.

    Args:
        sharing: under `jax.pmap`, where `indices` are this device's part of the batch: draws, gradients, batch
            statistics and the loss are nevertheless those of the whole batch.
    """
    draw_batch = make_draw_batch(problem, recipe.dtype, sharing)

    def train_step(
        state: TrainState, examples: Batch, indices: Int[Array, " b"], learning_rate: Float[Array, ""]
    ) -> tuple[TrainState, Float[Array, ""]]:
        inputs, batch = draw_batch(state.seed, state.step, examples, indices)
        statistics = layout.statistics.unpack(state.statistics)
        rngs = rngs_of(sharing.own_key(noise_key(state.seed, state.step)))

        def loss_fn(params: Any) -> tuple[Float[Array, ""], Variables]:
            with sharing.sharing_statistics():
                outputs, updated = network.apply(
                    {"params": params, **statistics}, inputs, train=True, mutable=list(statistics), rngs=rngs
                )
            return mean_loss(problem, outputs, batch), dict(updated)

        (loss, updated), gradients = jax.value_and_grad(loss_fn, has_aux=True)(layout.params.unpack(state.params))
        loss, gradients = sharing.mean((loss, layout.params.pack(gradients)))
        params, opt_state = optimizer.step(gradients, state.opt_state, state.params, learning_rate)
        return TrainState(state.step + 1, state.seed, params, layout.statistics.pack(updated), opt_state), loss

    return train_step


Forward: TypeAlias = Callable[[Variables, Batch], Any]  # the outputs of a network for a batch


def make_forward(network: nn.Module, problem: Problem, recipe: Recipe) -> Forward:
    """The network in the precision in which it trains."""

    def forward(variables: Variables, batch: Batch) -> Any:
        inputs = problem.task.inputs(batch, problem.dataset.spec, recipe.dtype)
        return network.apply(variables, inputs, train=False)

    return forward


def make_eval_step(forward: Forward, task: Task) -> Callable[..., Any]:
    """Returns `(variables, batch, is_real) -> sums` of `Task.metric_sums`."""

    def eval_step(variables: Variables, batch: Batch, is_real: Bool[Array, " b"]) -> Any:
        return task.metric_sums(forward(variables, batch), batch, is_real)

    return eval_step
