"""A deep ensemble: small multilayer perceptrons that start apart and miss different rows, trained side by side.

Inputs and targets are scaled and warped as for the Gaussian process (`scaling.py`, `warps.py`). All members train in
one compiled program; rows are padded to a few sizes (`padding.py`), each compiled once. Each member leaves a fifth of
the rows out, whose residuals give the noise; networks that predict a variance were overconfident with few rows.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Key

from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.checks import query_array, training_arrays
from nas_jax.surrogates.mixtures import held_out_noise, mixture_moments, posterior_of
from nas_jax.surrogates.padding import chunks, pad
from nas_jax.surrogates.randomness import generator_of
from nas_jax.surrogates.scaling import Scaling, scaling_of
from nas_jax.surrogates.settings import check_at_least, check_warp

Weights = tuple[tuple[Any, Any], ...]  # of each layer, kernel and bias

_NUM_FOLDS = 5  # a member leaves one of them out
_CHUNKS = (32, 512, 4096)  # how many points one call predicts
_FARTHEST = 10.0  # deviations of the targets; far from all data, networks say anything


class DeepEnsembleState(NamedTuple):
    """Trained members."""

    weights: Weights  # NumPy arrays in float32, their first axis the member
    noise_std: float  # in units of the warped targets' standard deviation
    scaling: Scaling


@dataclass(frozen=True)
class DeepEnsemble:
    """Settings of a deep ensemble (Lakshminarayanan, Pritzel & Blundell, NeurIPS 2017), of rectified linear layers.

    Args:
        num_members: Networks.
        width: Units of each hidden layer.
        depth: Hidden layers.
        num_steps: Steps of AdamW on all rows at once; the learning rate falls to zero by a cosine.
        learning_rate: Of the first step.
        weight_decay: Decoupled, as in AdamW.
        warp: "sinh_arcsinh", "log_distance" or "identity", as of the Gaussian process.
        upper_bound: With "log_distance", what no target reaches.

    Raises:
        ValueError: an unknown warp or a setting out of its range.
    """

    num_members: int = 10
    width: int = 64
    depth: int = 2
    num_steps: int = 300
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    warp: str = "sinh_arcsinh"
    upper_bound: float | None = None

    def __post_init__(self) -> None:
        check_at_least(1, num_members=self.num_members, width=self.width, depth=self.depth, num_steps=self.num_steps)
        check_warp(self.warp, self.upper_bound)
        if not (self.learning_rate > 0 and self.weight_decay >= 0):
            raise ValueError(f"learning_rate must be positive, and weight_decay not negative: {self}")

    def fit(self, key: jax.Array, x: Any, y: Any) -> DeepEnsembleState:
        """Trains on `x` `[n, d]` and `y` `[n]`.

        Raises:
            ValueError: empty data, shapes that do not match, NaN, infinite or huge values.
        """
        x, y = training_arrays(x, y)
        scaling = scaling_of(x, y, self.warp, self.upper_bound)
        targets, num_rows = scaling.targets(y), len(y)
        rows = pad(_inputs(scaling, x), targets, np.zeros(num_rows))
        fold_key, member_key = jax.random.split(key)
        is_held_out = held_out_rows(generator_of(fold_key), self.num_members, num_rows)
        trains = np.pad(~is_held_out, ((0, 0), (0, len(rows.y) - num_rows)))
        inputs = np.asarray(rows.x, np.float32)
        keys = jax.random.split(member_key, self.num_members)
        weights = train(self, keys, inputs, np.asarray(rows.y, np.float32), trains)
        means = np.asarray(apply(weights, inputs), np.float64)[:, :num_rows]
        noise_std = held_out_noise(targets, means, np.zeros_like(means), is_held_out)
        return DeepEnsembleState(jax.device_get(weights), noise_std, scaling)

    def predict(self, state: DeepEnsembleState, x_new: Any, *, with_noise: bool = False) -> Posterior:
        """Marginal predictions at `x_new` `[m, d]`, in units of the targets.

        Members' means are held within ten deviations of the targets.

        Raises:
            ValueError: another number of features, NaN, infinite or huge values.
        """
        queries = np.asarray(_inputs(state.scaling, query_array(x_new, len(state.scaling.x_low))), np.float32)
        means = np.empty((len(state.weights[0][1]), len(queries)))
        for rows, points in chunks(queries, _CHUNKS):
            means[:, rows] = np.asarray(apply(state.weights, points))[:, : rows.stop - rows.start]
        means = np.clip(means, -_FARTHEST, _FARTHEST)
        return posterior_of(
            state.scaling, *mixture_moments(means, np.full_like(means, with_noise * state.noise_std**2))
        )


make = DeepEnsemble


def train_member(
    settings: DeepEnsemble,
    key: Key[jax.Array, ""],
    x: Float[jax.Array, "p d"],
    y: Float[jax.Array, " p"],
    trains: Bool[jax.Array, " p"],
) -> Weights:
    """Weights of one member after `settings.num_steps`, which start as in He et al. (ICCV 2015).

    Rows that `trains` omits are not seen; all is in scaled units.
    """
    sizes = (x.shape[1], *[settings.width] * settings.depth, 1)
    keys = jax.random.split(key, len(sizes) - 1)
    start = tuple(
        (
            jax.random.normal(layer_key, (inputs, units), jnp.float32) * (2 / inputs) ** 0.5,
            jnp.zeros(units, jnp.float32),
        )
        for layer_key, inputs, units in zip(keys, sizes[:-1], sizes[1:], strict=True)
    )
    schedule = optax.cosine_decay_schedule(settings.learning_rate, settings.num_steps)
    optimizer = optax.adamw(schedule, weight_decay=settings.weight_decay)

    def loss(weights: Weights) -> jax.Array:
        return jnp.mean((_forward(weights, x) - y) ** 2, where=trains)

    def step(carry: tuple[Weights, Any], _: None) -> tuple[tuple[Weights, Any], None]:
        weights, moments = carry
        updates, moments = optimizer.update(jax.grad(loss)(weights), moments, weights)
        return (optax.apply_updates(weights, updates), moments), None

    # Loops are slow for convolutions on a CPU, but not for products of matrices.
    (weights, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=settings.num_steps)
    return weights


@partial(jax.jit, static_argnames="settings")
def train(settings: DeepEnsemble, keys: Key[jax.Array, " k"], x: Any, y: Any, trains: Any) -> Weights:
    """`train_member` for k keys and k sets of rows `trains` `[k, p]`, in one program."""
    return jax.vmap(partial(train_member, settings), in_axes=(0, None, None, 0))(keys, x, y, trains)


@jax.jit
def apply(weights: Weights, x: Any) -> Float[jax.Array, "k m"]:
    """What each member predicts at `x` `[m, d]`, all in scaled units."""
    return jax.vmap(_forward, in_axes=(0, None))(weights, x)


def _forward(weights: Weights, x: Any) -> Float[jax.Array, " m"]:
    *hidden, (kernel, bias) = weights
    for hidden_kernel, hidden_bias in hidden:
        x = jax.nn.relu(x @ hidden_kernel + hidden_bias[None, :])
    return (x @ kernel + bias[None, :])[:, 0]


def _inputs(scaling: Scaling, x: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
    """From -1 to 1 over the training range."""
    return 2 * scaling.inputs(x) - 1


def held_out_rows(rng: np.random.Generator, num_members: int, num_rows: int) -> Bool[np.ndarray, "k n"]:
    """Rows that each member leaves out: five members share a partition into folds. A lone row is never left out."""
    is_held_out = np.zeros((num_members, num_rows), bool)
    for number in range(num_members if num_rows > 1 else 0):
        if number % _NUM_FOLDS == 0:
            fold = rng.permutation(num_rows) % _NUM_FOLDS
        is_held_out[number] = fold == number % _NUM_FOLDS
    return is_held_out
