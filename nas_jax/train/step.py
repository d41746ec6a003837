"""What one step does to a network: pure functions that the caller compiles."""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int, UInt32

from nas_jax.data.arrays import Batch
from nas_jax.tasks.base import Problem, Task
from nas_jax.train.recipe import Recipe

Variables = dict[str, Any]  # "params" and, with batch normalisation, "batch_stats"


class TrainState(NamedTuple):
    """Everything that a training step needs of the past. The seed is part of it so that one program serves them all."""

    step: Int[Array, ""]
    seed: UInt32[Array, ""]
    variables: Variables
    opt_state: optax.OptState


class Shards(NamedTuple):
    """A batch lies in `num` equal parts on the devices of the mapped axis `axis_name`, one after the other."""

    axis_name: str
    num: int


def initialize(network: nn.Module, input_shape: tuple[int, ...], seed: int) -> Variables:
    """Draws the variables of a network that takes float32 `[b, *input_shape]`, on the host.

    Kernels are normal with variance 2 / fan-in (He et al. 2015, eq. 10), scales and variances one, biases and means
    zero.
    """
    inputs = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    return draw_variables(variable_shapes(network, inputs), seed)


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
    """As `initialize`, for what `variable_shapes` has returned."""
    rng = np.random.default_rng(seed)

    def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> jax.Array:
        name = path[-1].key
        if name == "kernel":
            fan_in = int(np.prod(leaf.shape[:-1]))
            value = rng.normal(scale=np.sqrt(2 / fan_in), size=leaf.shape)
        else:
            value = np.full(leaf.shape, {"scale": 1.0, "var": 1.0, "bias": 0.0, "mean": 0.0}[name])
        return jnp.asarray(value, leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def initial_state(variables: Variables, optimizer: optax.GradientTransformation, seed: int) -> TrainState:
    """The state before the first step."""
    return TrainState(jnp.zeros((), jnp.int32), jnp.uint32(seed), variables, optimizer.init(variables["params"]))


def make_train_step(
    network: nn.Module,
    optimizer: optax.GradientTransformation,
    recipe: Recipe,
    problem: Problem,
    shards: Shards | None = None,
) -> Callable[..., tuple[TrainState, Float[Array, ""]]]:
    """Returns `(state, examples, indices) -> (state, loss)` for one mini-batch.

    `examples` are the whole training split, `indices` `[b]` the batch: examples are picked, augmented and made inputs
    on the device. `loss` is the mean over the batch.

    With `shards` the step runs under `jax.pmap`, and `indices` are this device's part of the batch: draws, gradients,
    batch statistics and the loss are nevertheless those of the whole batch.
    """

    task, spec, augmentation = problem.task, problem.dataset.spec, problem.dataset.augmentation

    def draws_of(key: jax.Array, num: int) -> Any:
        if shards is None:
            return task.draw(key, num, augmentation)
        draws = task.draw(key, num * shards.num, augmentation)
        start = jax.lax.axis_index(shards.axis_name) * num
        return jax.tree.map(lambda array: jax.lax.dynamic_slice_in_dim(array, start, num), draws)

    def mean_of_devices(values: Any) -> Any:
        return values if shards is None else jax.lax.pmean(values, shards.axis_name)

    def train_step(
        state: TrainState, examples: Batch, indices: Int[Array, " b"]
    ) -> tuple[TrainState, Float[Array, ""]]:
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        picked = {name: array[indices] for name, array in examples.items()}
        batch = task.augment(picked, draws_of(key, len(indices)), augmentation)
        inputs = task.inputs(batch, spec, recipe.dtype)
        params = state.variables["params"]
        statistics = {name: value for name, value in state.variables.items() if name != "params"}

        def loss_fn(params: Any) -> tuple[Float[Array, ""], Variables]:
            with nn.intercept_methods(_share_statistics(shards)) if shards else contextlib.nullcontext():
                outputs, updated = network.apply(
                    {"params": params, **statistics}, inputs, train=True, mutable=list(statistics)
                )
            return task.loss(outputs, batch).mean(), dict(updated)

        (loss, updated), gradients = jax.value_and_grad(loss_fn, has_aux=True)(params)
        loss, gradients = mean_of_devices((loss, gradients))
        updates, opt_state = optimizer.update(gradients, state.opt_state, params)
        variables = {"params": optax.apply_updates(params, updates), **updated}
        return TrainState(state.step + 1, state.seed, variables, opt_state), loss

    return train_step


def _share_statistics(shards: Shards) -> Callable[..., Any]:
    """An interceptor of Flax by which batch normalisation, in any network, averages over the whole batch.

    Flax has a field for it, which every network would have to pass on, and which a space of one's own would miss
    without an error.
    """

    def interceptor(next_fn: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        if isinstance(context.module, nn.BatchNorm):
            object.__setattr__(context.module, "axis_name", shards.axis_name)  # frozen, but made for this trace alone
        return next_fn(*args, **kwargs)

    return interceptor


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
