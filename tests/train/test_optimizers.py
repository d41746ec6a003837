"""Optimisers beside optax's own, in vectors and in arrays; averages; noise within networks."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from flax import linen as nn

from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.layers import Dense, PoolAndFlatten
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.evaluation import measure
from nas_jax.train.fit import fit, prepare, train
from nas_jax.train.layered import LayeredNetwork
from nas_jax.train.optimizers import WITHOUT_WARMUP, names
from nas_jax.train.packing import packing_of
from nas_jax.train.recipe import Recipe, make_optimizer
from nas_jax.train.step import make_forward

pytestmark = pytest.mark.usefixtures("compiled_once")

PROBLEM = load_problem(Classification(), Synthetic(num_train=64, num_val=40, num_test=30))
RECIPE = Recipe(num_epochs=2, batch_size=32, learning_rate=0.01, warmup_epochs=0.0, weight_decay=0.1)
PARAMS = {
    "a": {"kernel": np.full((4, 3), 0.5, np.float32), "bias": np.full(3, -0.5, np.float32)},
    "b": {"kernel": np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2)},
}
IS_KERNEL = {"a": {"kernel": True, "bias": False}, "b": {"kernel": True}}


def gradients(step):
    rng = np.random.default_rng(step)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), PARAMS)


def assert_close(first, second, atol=1e-6):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), first, second)


REFERENCES = {
    "adamw": ({"b2": 0.99}, lambda rate: optax.adamw(rate, b2=0.99, weight_decay=0.1, mask=IS_KERNEL)),
    "lion": ({}, lambda rate: optax.lion(rate, weight_decay=0.1, mask=IS_KERNEL)),
    "lamb": ({}, lambda rate: optax.lamb(rate, weight_decay=0.1, mask=IS_KERNEL)),
    "rmsprop": (
        {"momentum": 0.5},
        lambda rate: optax.chain(optax.add_decayed_weights(0.1, IS_KERNEL), optax.rmsprop(rate, momentum=0.5)),
    ),
    "muon": ({}, lambda rate: optax.contrib.muon(rate, weight_decay=0.1, weight_decay_mask=IS_KERNEL)),
    "sgd": (
        {"nesterov": False},
        lambda rate: optax.chain(optax.add_decayed_weights(0.1, IS_KERNEL), optax.sgd(rate, momentum=0.9)),
    ),
}


@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("name", REFERENCES)
def test_steps_are_those_of_optax_in_vectors_too(name, clip_norm):
    settings, reference = REFERENCES[name]
    recipe = replace(RECIPE, optimizer=name, optimizer_settings=settings, clip_norm=clip_norm)
    packing = packing_of(PARAMS)
    optimizer = make_optimizer(recipe).of_packed(packing)
    theirs = reference(0.05)
    if clip_norm is not None:
        theirs = optax.chain(optax.clip_by_global_norm(clip_norm), theirs)
    expected, their_state = PARAMS, theirs.init(PARAMS)
    ours = packing.pack(PARAMS, np.concatenate)
    state = optimizer.start(ours)
    for step in range(3):
        ours, state = optimizer.step(packing.pack(gradients(step)), state, ours, jnp.float32(0.05))
        updates, their_state = theirs.update(gradients(step), their_state, expected)
        expected = optax.apply_updates(expected, updates)
    assert_close(packing.unpack(ours), expected, atol=2e-6)


@pytest.mark.parametrize("name", names())
def test_every_optimiser_starts_on_the_host_as_it_does_in_jax_and_moves(name):
    recipe = replace(RECIPE, optimizer=name, weight_decay=0.0)
    packing = packing_of(PARAMS)
    optimizer = make_optimizer(recipe).of_packed(packing)
    packed = packing.pack(PARAMS, np.concatenate)
    state = optimizer.start(packed)
    assert jax.tree.all(jax.tree.map(np.array_equal, state, jax.device_get(optimizer.init(packed))))
    moved = packed
    first = 0.05 if name in WITHOUT_WARMUP else 0.0  # with which a warm-up begins
    for step, rate in enumerate((first, 0.05, 0.05)):
        moved, state = optimizer.step(packing.pack(gradients(step)), state, moved, jnp.float32(rate))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(moved))
    assert not all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(moved), jax.tree.leaves(packed), strict=True))


def test_the_average_is_that_of_all_parameters_so_far_with_falling_weights():
    optimizer = make_optimizer(replace(RECIPE, ema_decay=0.9))
    params, state, seen = PARAMS, optimizer.start(PARAMS), []
    for step in range(5):
        params, state = optimizer.step(gradients(step), state, params, jnp.float32(0.1))
        seen.append(params)
        weights = 0.9 ** np.arange(step, -1, -1)
        expected = jax.tree.map(lambda *leaves, w=weights: np.average(np.stack(leaves), axis=0, weights=w), *seen)
        assert_close(optimizer.final(params, state), expected, atol=1e-5)


def test_what_cannot_be_is_refused():
    for changes, message in (
        ({"optimizer": "adamm"}, "choose from acprop, adabelief"),
        ({"optimizer": "adamw", "optimizer_settings": {"beta": 1}}, "adamw has no 'beta'; choose from b1, b2"),
        ({"optimizer": "adamw", "optimizer_settings": {"learning_rate": 1}}, "adamw has no 'learning_rate'"),
        ({"optimizer_settings": 3}, "has to be a mapping"),
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"ema_decay": 1.0}, "ema_decay"),
        (
            {"optimizer": "prodigy", "warmup_epochs": 1.0},
            "first rate is 0, as a warm-up has it: set recipe.warmup_epochs=0",
        ),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            replace(RECIPE, **changes)
    assert replace(RECIPE, optimizer_settings={"nesterov": True}) == replace(
        RECIPE, optimizer_settings=[["nesterov", True]]
    )


class Noisy(nn.Module):
    """A layer with dropout, which is a stage too."""

    rate: float = 0.5

    @nn.compact
    def __call__(self, x, train):
        return nn.Dropout(self.rate, deterministic=not train)(x)


class Dropped(nn.Module):
    """With stages, a stochastic depth of its own name, and dropout."""

    rate: float = 0.5

    @nn.nowrap
    def stages(self):
        return PoolAndFlatten(4), Dense(32, name="a"), Noisy(self.rate), Dense(4, is_activated=False, name="b")

    @nn.compact
    def __call__(self, x, train=False):
        for stage in self.stages():
            x = stage(x, train)
        return x


class Deep(nn.Module):
    """A residual that is left out at random, by a stream of random numbers with a name of its own."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.Dense(16)(x.reshape(x.shape[0], -1))
        y = nn.Dense(16)(nn.relu(x))
        if train:
            y = y * jax.random.bernoulli(self.make_rng("depth"), 0.5, (len(x), 1))
        return nn.Dense(4)(x + y)


@pytest.mark.parametrize("compilation", ["network", "layers"])
def test_dropout_trains_repeats_itself_and_is_off_in_evaluation(compilation):
    recipe = replace(RECIPE, compilation=compilation)
    first, second = (fit(Dropped(), PROBLEM, recipe, 3) for _ in range(2))
    without = fit(Dropped(0.0), PROBLEM, recipe, 3)
    assert first.metrics == second.metrics
    assert first.metrics["train_loss"] != without.metrics["train_loss"]
    (again,) = measure(make_forward(Dropped(), PROBLEM, recipe), [first.variables], PROBLEM, "val")
    assert again.metrics["val_loss"] == pytest.approx(first.metrics["val_loss"], rel=1e-4)


def test_masks_change_from_step_to_step():
    """With a learning rate of 0 nothing else changes between two epochs of one batch."""
    recipe = replace(RECIPE, batch_size=64, learning_rate=0.0)
    for network, compilation in ((Dropped(), "network"), (Dropped(), "layers"), (Deep(), "auto")):
        losses = fit(network, PROBLEM, replace(recipe, compilation=compilation), 0).metrics["curve"]["train_loss"]
        assert losses[0] != losses[1]


def test_layers_and_the_whole_network_take_the_same_steps_with_averages():
    recipe = replace(RECIPE, optimizer="adamw", ema_decay=0.8)
    network = Dropped(0.0)
    prepared = prepare(network, PROBLEM, replace(recipe, compilation="layers"))
    assert isinstance(prepared.program, LayeredNetwork)
    (by_layers,), whole = train(prepared, [1]), fit(network, PROBLEM, replace(recipe, compilation="network"), 1)
    assert_close(by_layers.variables, whole.variables, atol=1e-5)
    plain = fit(network, PROBLEM, replace(recipe, compilation="network", ema_decay=None), 1)
    assert plain.metrics["train_loss"] == pytest.approx(whole.metrics["train_loss"], rel=1e-5)
    assert plain.metrics["val_loss"] != whole.metrics["val_loss"]
    (again,) = measure(make_forward(network, PROBLEM, recipe), [whole.variables], PROBLEM, "val")
    assert again.metrics["val_loss"] == pytest.approx(whole.metrics["val_loss"], rel=1e-4)


def test_the_length_of_all_gradients_needs_the_whole_network():
    with pytest.raises(UserError, match="clip_norm"):
        prepare(Dropped(), PROBLEM, replace(RECIPE, clip_norm=1.0, compilation="layers"))
    assert not isinstance(prepare(Dropped(), PROBLEM, replace(RECIPE, clip_norm=1.0)).program, LayeredNetwork)
