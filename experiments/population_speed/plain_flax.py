"""Flax as its tutorials use it: one process, nothing tuned. `python plain_flax.py SETTING`, one JSON object a line."""

import json
import sys
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.training import train_state
from setting import (
    MOMENTUM,
    WEIGHT_DECAY,
    Setting,
    Stopwatch,
    training_batches,
    validation_batches,
)

from nas_jax.data.arrays import Dataset, load
from nas_jax.trial import Genome


class Network(nn.Module):
    genome: Genome

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        he = nn.initializers.he_normal()
        for layer in self.genome:
            if layer in ("max", "avg"):
                pool = nn.max_pool if layer == "max" else nn.avg_pool
                x = pool(x, (2, 2), strides=(2, 2))
            elif layer.startswith("conv"):
                size, filters = int(layer[4]), int(layer.partition("-")[2])
                x = nn.Conv(filters, (size, size), use_bias=False, kernel_init=he)(x)
                x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        window = x.shape[1] // 4
        x = nn.avg_pool(x, (window, window), strides=(window, window))
        x = x.reshape(x.shape[0], -1)
        for layer in self.genome:
            if layer.startswith("fc"):
                x = nn.relu(nn.Dense(int(layer.partition("-")[2]), kernel_init=he)(x))
        return nn.Dense(10, kernel_init=he)(x)


class TrainState(train_state.TrainState):
    batch_stats: Any


@jax.jit
def train_step(state: TrainState, images: jax.Array, labels: jax.Array) -> tuple[TrainState, jax.Array]:
    def loss_fn(params: Any) -> tuple[jax.Array, Any]:
        variables = {"params": params, "batch_stats": state.batch_stats}
        logits, updated = state.apply_fn(variables, images, train=True, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), updated

    (loss, updated), gradients = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    return state.apply_gradients(grads=gradients).replace(batch_stats=updated["batch_stats"]), loss


@jax.jit
def num_correct(state: TrainState, images: jax.Array, labels: jax.Array) -> jax.Array:
    logits = state.apply_fn({"params": state.params, "batch_stats": state.batch_stats}, images, train=False)
    return (logits.argmax(-1) == labels).sum()


def is_kernel(params: Any) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)


def measure(setting: Setting, dataset: Dataset, architecture: int, genome: Genome) -> dict[str, float]:
    watch = Stopwatch()
    network = Network(genome)
    variables = jax.jit(network.init, static_argnames="train")(
        jax.random.key(architecture), jnp.zeros((1, 32, 32, 3)), train=False
    )
    schedule = jnp.array([setting.learning_rate(step) for step in range(setting.num_steps)])
    optimizer = optax.chain(
        optax.add_decayed_weights(WEIGHT_DECAY, mask=is_kernel),
        optax.sgd(lambda step: schedule[step], momentum=MOMENTUM, nesterov=True),
    )
    state = TrainState.create(
        apply_fn=network.apply, params=variables["params"], batch_stats=variables["batch_stats"], tx=optimizer
    )
    # Compiled ahead, so that the first step is timed like the others; what a tutorial does takes as long.
    images, labels = next(training_batches(setting, dataset, architecture))
    step = train_step.lower(state, images, labels).compile()
    images, labels = next(validation_batches(dataset))
    count = num_correct.lower(state, images, labels).compile()
    watch.lap("compile")

    for images, labels in training_batches(setting, dataset, architecture):
        state, loss = step(state, images, labels)
    jax.block_until_ready((state, loss))
    watch.lap("train")
    correct = sum(int(count(state, images, labels)) for images, labels in validation_batches(dataset))
    watch.lap("eval")
    return {"architecture": architecture, "val_accuracy": correct / setting.num_val, **watch.spent}


def main() -> None:
    setting = Setting(**json.loads(sys.argv[1]))
    dataset = load(setting.source)
    for architecture, genome in enumerate(setting.genomes):
        print(json.dumps(measure(setting, dataset, architecture, genome)), flush=True)


if __name__ == "__main__":
    main()
