"""What one step does to a network: pure functions that the caller compiles."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int, UInt8

from nas_jax.data.arrays import Dataset, augment, normalize
from nas_jax.tasks import classification
from nas_jax.train.recipe import Recipe

Variables = dict[str, Any]  # "params" and, with batch normalisation, "batch_stats"


class TrainState(NamedTuple):
    """Everything that a training step changes."""

    step: Int[Array, ""]
    variables: Variables
    opt_state: optax.OptState


def initialize(network: nn.Module, image_shape: tuple[int, int, int], seed: int) -> Variables:
    """Draws the variables of a network on the host.

    Shapes come from an abstract evaluation, so nothing is compiled: `jax.jit(network.init)` would be for
    a new architecture. Kernels are normal with variance 2 / fan-in (He et al. 2015,
    eq. 10), scales and variances one, biases and means zero.
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros(images.shape, images.dtype), train=False))
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


def make_train_step(
    network: nn.Module, optimizer: optax.GradientTransformation, recipe: Recipe, dataset: Dataset, seed: int
) -> Callable[..., tuple[TrainState, Float[Array, ""]]]:
    """Returns `(state, images, labels, indices) -> (state, loss)` for one mini-batch.

    `images` and `labels` are the whole training split, `indices` `[b]` the batch: examples are picked,
    augmented and normalised on the device. `loss` is the mean over the batch, in nats.
    """

    def train_step(
        state: TrainState,
        images: UInt8[Array, "n h w c"],
        labels: Int[Array, " n"],
        indices: Int[Array, " b"],
    ) -> tuple[TrainState, Float[Array, ""]]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        batch = augment(key, images[indices], dataset.augmentation)
        inputs = normalize(batch, dataset.mean, dataset.std, recipe.dtype)
        params = state.variables["params"]
        statistics = {name: value for name, value in state.variables.items() if name != "params"}

        def loss_fn(params: Any) -> tuple[Float[Array, ""], Variables]:
            logits, updated = network.apply(
                {"params": params, **statistics}, inputs, train=True, mutable=list(statistics)
            )
            losses = classification.cross_entropy(logits, labels[indices], recipe.label_smoothing)
            return losses.mean(), dict(updated)

        (loss, updated), gradients = jax.value_and_grad(loss_fn, has_aux=True)(params)
        updates, opt_state = optimizer.update(gradients, state.opt_state, params)
        variables = {"params": optax.apply_updates(params, updates), **updated}
        return TrainState(state.step + 1, variables, opt_state), loss

    return train_step


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
