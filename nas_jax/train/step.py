"""What one step does to a network: pure functions that the caller compiles."""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int, UInt8, UInt32

from nas_jax.data.arrays import Dataset, Moves, draw_moves, move, normalize
from nas_jax.tasks import classification
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


def initialize(network: nn.Module, image_shape: tuple[int, int, int], seed: int) -> Variables:
    """Draws the variables of a network on the host.

    Kernels are normal with variance 2 / fan-in (He et al. 2015, eq. 10), scales and variances one, biases and means
    zero.
    """
    return draw_variables(variable_shapes(network, image_shape), seed)


def variable_shapes(network: nn.Module, image_shape: tuple[int, int, int]) -> Variables:
    """The variables of a network as `jax.ShapeDtypeStruct`s.

    They come from an abstract evaluation, so nothing is compiled: `jax.jit(network.init)` would be for a new
    architecture.
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    return jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros(images.shape, images.dtype), train=False))


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
    dataset: Dataset,
    shards: Shards | None = None,
) -> Callable[..., tuple[TrainState, Float[Array, ""]]]:
    """Returns `(state, images, labels, indices) -> (state, loss)` for one mini-batch.

    `images` and `labels` are the whole training split, `indices` `[b]` the batch: examples are picked,
    augmented and normalised on the device. `loss` is the mean over the batch, in nats.

    With `shards` the step runs under `jax.pmap`, and `indices` are this device's part of the batch: draws, gradients,
    batch statistics and the loss are nevertheless those of the whole batch.
    """

    def moves_of(key: jax.Array, num: int) -> Moves:
        if shards is None:
            return draw_moves(key, num, dataset.augmentation)
        moves = draw_moves(key, num * shards.num, dataset.augmentation)
        start = jax.lax.axis_index(shards.axis_name) * num
        return Moves(*(jax.lax.dynamic_slice_in_dim(array, start, num) for array in moves))

    def mean_of_devices(values: Any) -> Any:
        return values if shards is None else jax.lax.pmean(values, shards.axis_name)

    def train_step(
        state: TrainState,
        images: UInt8[Array, "n h w c"],
        labels: Int[Array, " n"],
        indices: Int[Array, " b"],
    ) -> tuple[TrainState, Float[Array, ""]]:
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        batch = move(images[indices], moves_of(key, len(indices)), dataset.augmentation.pad)
        inputs = normalize(batch, dataset.mean, dataset.std, recipe.dtype)
        params = state.variables["params"]
        statistics = {name: value for name, value in state.variables.items() if name != "params"}

        def loss_fn(params: Any) -> tuple[Float[Array, ""], Variables]:
            with nn.intercept_methods(_share_statistics(shards)) if shards else contextlib.nullcontext():
                logits, updated = network.apply(
                    {"params": params, **statistics}, inputs, train=True, mutable=list(statistics)
                )
            losses = classification.cross_entropy(logits, labels[indices], recipe.label_smoothing)
            return losses.mean(), dict(updated)

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


class EvalSums(NamedTuple):
    """Sums over the examples of a batch, so that batches add up whatever their sizes."""

    num_correct: Int[Array, ""]
    loss: Float[Array, ""]


def make_eval_step(network: nn.Module, recipe: Recipe, dataset: Dataset) -> Callable[..., EvalSums]:
    """Returns `(variables, images, labels, is_real) -> EvalSums`; rows where `is_real` is false are padding."""

    def eval_step(
        variables: Variables,
        images: UInt8[Array, "b h w c"],
        labels: Int[Array, " b"],
        is_real: Bool[Array, " b"],
    ) -> EvalSums:
        inputs = normalize(images, dataset.mean, dataset.std, recipe.dtype)
        logits: Any = network.apply(variables, inputs, train=False)
        losses = classification.cross_entropy(logits, labels)
        return EvalSums(
            num_correct=(classification.is_correct(logits, labels) & is_real).sum(),
            loss=jnp.where(is_real, losses, 0.0).sum(),
        )

    return eval_step
