"""A program a layer: what comes out is what the program of the whole network gives, and layers are compiled once."""

import threading
from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import linen as nn

from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.layers import ConvBlock, Dense, Pool, PoolAndFlatten
from nas_jax.spaces.chain_network import ChainNetwork
from nas_jax.spaces.macro import MacroNetwork
from nas_jax.spaces.nb201_network import CellNetwork
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.fit import NonFiniteLossError, fit, prepare, train
from nas_jax.train.layered import LayeredNetwork
from nas_jax.train.once import Once
from nas_jax.train.recipe import Recipe
from nas_jax.train.whole import WholeNetwork

# 92 images are two batches of 32 and one of 28.
PROBLEM = load_problem(
    Classification(label_smoothing=0.1), Synthetic(num_train=92, num_val=300, num_test=30, pad=1, flip=True)
)
# From a larger rate rounding errors grow: a start that is moved by 1e-6 ends elsewhere.
RECIPE = Recipe(num_epochs=2, batch_size=32, learning_rate=0.002, drop_last=False, compilation="layers")

POOLED = ChainNetwork(("max", "conv3x3-8", "conv3x3-4", "avg", "fc-16"), 4)
CELL = CellNetwork(("nor_conv_3x3", "skip_connect", "nor_conv_1x1", "none", "avg_pool_3x3", "nor_conv_1x1"), 4, 1, 4)
MACRO = MacroNetwork(("identity", "identity", "MB3_K3", "identity", "identity", *["identity"] * 3), 4, 4)


@pytest.fixture
def compilations():
    """The programs that were compiled since the fixture was made: a list that grows."""
    compiled = []

    def listen(event, seconds, **_):
        if event.endswith("backend_compile_duration"):
            compiled.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield compiled
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("network", [POOLED, CELL, MACRO], ids=lambda network: type(network).__name__)
def test_layers_train_as_the_whole_network_does(network, dtype):
    # What fills no batch has programs of its own, in which a layer is one like any other: one network shows them.
    recipe = replace(RECIPE, compute_dtype=dtype, drop_last=network is not POOLED)
    network = network.clone(dtype=recipe.dtype)
    prepared = prepare(network, PROBLEM, recipe)
    assert isinstance(prepared.program, LayeredNetwork)
    (by_layers,), whole = train(prepared, [3]), fit(network, PROBLEM, replace(recipe, compilation="network"), 3)
    atol = 1e-5 if dtype == "float32" else 2e-2
    for name, values in whole.metrics["curve"].items():
        if name != "val_accuracy" or dtype == "float32":
            np.testing.assert_allclose(by_layers.metrics["curve"][name], values, atol=atol)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), by_layers.variables, whole.variables)


def test_a_network_of_known_layers_compiles_nothing(compilations):
    first = ChainNetwork(("conv3x3-5", "max", "conv3x3-5", "conv3x3-5", "fc-16"), 4)
    prepare(first, PROBLEM, RECIPE)
    train(prepare(first, PROBLEM, RECIPE), [0])
    compilations.clear()
    for number in range(2):  # the second one is what a worker's later trials are: its caches are cleared between them
        known = ChainNetwork(("conv3x3-5", "max", *["conv3x3-5"] * (3 + number), "fc-16"), 4)
        prepared = prepare(known, PROBLEM, replace(RECIPE, num_epochs=3, learning_rate=0.001 + number))
        jax.clear_caches()
        assert not compilations
    train(prepared, [1])
    assert len(compilations) == 1  # the numbers of the schedule, which all trainings of a recipe share
    train(prepared, [2])
    assert len(compilations) == 1


@pytest.mark.parametrize("is_scanned", [False, True])
def test_a_whole_network_is_two_programs_and_its_training_compiles_nothing(compilations, is_scanned):
    recipe = replace(RECIPE, compilation="network", drop_last=True)
    train(prepare(POOLED, PROBLEM, recipe, is_scanned=is_scanned), [0])
    jax.clear_caches()
    compilations.clear()
    prepared = prepare(POOLED.clone(genome=("conv3x3-6", "fc-16")), PROBLEM, recipe, is_scanned=is_scanned)
    assert isinstance(prepared.program, WholeNetwork)
    train(prepared, [1, 2])
    assert len(compilations) == 2


def test_a_layer_without_anything_to_learn_before_it_has_no_gradient():
    program = prepare(POOLED, PROBLEM, RECIPE).program
    assert [layer.backward is None for layer in program.full.layers] == [True, *[False] * 6]


class Unstaged(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(4)(x.reshape(x.shape[0], -1))


class Twice(nn.Module):
    """Two layers of one name."""

    @nn.nowrap
    def stages(self):
        return (
            ConvBlock(4, 3, name="a"),
            Pool("max"),
            ConvBlock(4, 3, name="a"),
            PoolAndFlatten(4),
            Dense(4, is_activated=False),
        )


class Nameless(nn.Module):
    """One layer that learns has no name."""

    @nn.nowrap
    def stages(self):
        return ConvBlock(4, 3, name="a"), PoolAndFlatten(4), Dense(4, is_activated=False)


def test_layers_that_cannot_be_had_are_refused():
    with pytest.raises(UserError, match="Unstaged has no method stages"):
        prepare(Unstaged(), PROBLEM, RECIPE)
    with pytest.raises(UserError, match="parallel=jit"):
        prepare(POOLED, PROBLEM, replace(RECIPE, parallel="jit", num_devices=1))
    with pytest.raises(ValueError, match="Twice: two stages have one name"):
        prepare(Twice(), PROBLEM, RECIPE)
    with pytest.raises(ValueError, match="Nameless: a stage Dense has variables and no name"):
        prepare(Nameless(), PROBLEM, RECIPE)
    assert isinstance(prepare(Unstaged(), PROBLEM, replace(RECIPE, compilation="auto")).program, WholeNetwork)


def test_a_diverging_chain_of_layers_is_an_error():
    with pytest.raises(NonFiniteLossError, match=r"train_loss is (nan|inf) in epoch 1 of 2 with seed 5"):
        fit(POOLED, PROBLEM, replace(RECIPE, learning_rate=1e30, warmup_epochs=0.0), seed=5)


def test_threads_make_a_value_once():
    once, calls, gate = Once(), [], threading.Event()

    def make():
        calls.append(1)
        gate.wait(5)
        return "value"

    values = []
    threads = [threading.Thread(target=lambda: values.append(once.get("key", make))) for _ in range(4)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert (values, calls) == (["value"] * 4, [1])


def test_what_could_not_be_made_is_tried_again():
    once = Once()
    with pytest.raises(ZeroDivisionError):
        once.get("key", lambda: 1 / 0)
    assert once.get("key", lambda: 2) == 2
