"""What several devices compute. Needs a process of its own that sees eight: `test_parallel.py` starts it."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import linen as nn

from nas_jax.data.stored import training_split
from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.spaces.chain_network import ChainNetwork
from nas_jax.spaces.macro import MacroNetwork
from nas_jax.spaces.nb201_network import CellNetwork
from nas_jax.tasks.base import Problem, load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.feeding import feed_of
from nas_jax.train.fit import fit, prepare, train
from nas_jax.train.parallel.placement import Placement, placement_of
from nas_jax.train.recipe import Recipe, make_optimizer
from nas_jax.train.schedules import learning_rates
from nas_jax.train.step import initial_state, layout_of, make_train_step, state_shapes
from nas_jax.train.variables import initialize, input_shapes, variable_shapes
from nas_jax.train.whole import compile_steps

# 92 images are five batches of 16 and one of 12, which eight devices cannot divide: 24 steps in all.
SOURCE = Synthetic(num_train=92, num_val=50, num_test=30, pad=1, flip=True)
PROBLEM = load_problem(Classification(label_smoothing=0.1), SOURCE)
DATASET = PROBLEM.dataset
RECIPE = Recipe(num_epochs=4, batch_size=16, learning_rate=0.05, drop_last=False)


class OwnNetwork(nn.Module):
    """As somebody writes who does not know of devices."""

    def setup(self):
        self.norms = [nn.BatchNorm(momentum=0.9) for _ in range(2)]
        self.dense = nn.Dense(4)

    def __call__(self, x, train=False):
        for norm in self.norms:
            x = nn.relu(norm(x, use_running_average=not train))
        return self.dense(x.reshape(x.shape[0], -1))


RATES = learning_rates(replace(RECIPE, learning_rate=0.01), 5).reshape(-1)
CHAIN = ChainNetwork(("conv3x3-8", "max", "fc-16"), 4)
CELL = CellNetwork(("nor_conv_3x3", "skip_connect", "nor_conv_1x1", "none", "avg_pool_3x3", "nor_conv_1x1"), 4, 1, 4)
MACRO = MacroNetwork(("identity", "identity", "MB3_K3", "identity", "identity", *["identity"] * 3), 4, 4)


def assert_same(fitted, alone):
    for name, values in alone.metrics["curve"].items():
        np.testing.assert_allclose(fitted.metrics["curve"][name], values, atol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), fitted.variables, alone.variables)


@pytest.fixture(scope="module")
def chain_alone():
    return fit(CHAIN, PROBLEM, RECIPE, 3)


def test_there_are_eight_devices():
    assert jax.local_device_count() == 8


@pytest.mark.parametrize("is_scanned", [False, True])
@pytest.mark.parametrize("parallel", ["jit", "pmap"])
def test_several_devices_train_as_one_does(chain_alone, parallel, is_scanned):
    """With augmentation, batch normalisation, label smoothing and an uneven last batch."""
    (fitted,) = train(prepare(CHAIN, PROBLEM, replace(RECIPE, parallel=parallel), is_scanned=is_scanned), [3])
    assert_same(fitted, chain_alone)


@pytest.mark.parametrize("parallel", ["jit", "pmap"])
def test_several_devices_train_on_examples_in_files_as_one_does_on_those_in_memory(chain_alone, parallel, tmp_path):
    train_split = DATASET.train
    kept = training_split(
        range(92), lambda places: {name: array[list(places)] for name, array in train_split.items()}, str(tmp_path), str
    )
    streamed = Problem(PROBLEM.task, replace(DATASET, train=kept.split, stored=kept.stored))
    assert_same(fit(CHAIN, streamed, replace(RECIPE, parallel=parallel), 3), chain_alone)


def twenty_steps(network, parallel, num_devices):
    """The losses, and the variables after them.

    Rate and seeds are such that rounding errors stay small: from other ones a start that is moved by 1e-6 changes the
    losses of the macro network by 1e-2, on one device.
    """
    placement = Placement(parallel, tuple(jax.local_devices()[:num_devices]))
    optimizer, variables = make_optimizer(RECIPE), initialize(network, DATASET.spec.image_shape, 4)
    layout, state = layout_of(variables), initial_state(variables, optimizer, 4)
    step = make_train_step(network, layout, PROBLEM, RECIPE, optimizer, placement.sharing(16))
    run = compile_steps(step, placement, state, DATASET.train, (20, 16), is_scanned=False)
    batches = np.random.default_rng(4).integers(0, 92, (20, 16), np.int32)
    feed = feed_of(DATASET, placement.replicated)
    state, losses = run(jax.device_put(state, placement.replicated), feed, batches, RATES)
    return losses, layout.variables(jax.device_get(state))


@pytest.mark.parametrize("network", [CELL, MACRO, OwnNetwork()], ids=lambda network: type(network).__name__)
def test_batch_statistics_of_any_network_are_those_of_the_whole_batch(network):
    losses, variables = twenty_steps(network, "none", 1)
    for num_devices in (8, 2) if isinstance(network, OwnNetwork) else (8,):
        shared_losses, shared_variables = twenty_steps(network, "pmap", num_devices)
        np.testing.assert_allclose(shared_losses, losses, atol=1e-4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), shared_variables, variables)


@pytest.mark.parametrize("parallel", ["jit", "pmap"])
def test_each_device_does_its_part_of_the_work(parallel, monkeypatch):
    """By the count of operations in what was compiled for one device."""
    recipe = replace(RECIPE, batch_size=64)
    optimizer, shapes = make_optimizer(recipe), variable_shapes(CHAIN, input_shapes(PROBLEM))
    layout, state = layout_of(shapes), state_shapes(shapes, optimizer)
    programs = []
    compile_lowered = jax.stages.Lowered.compile
    monkeypatch.setattr(
        jax.stages.Lowered, "compile", lambda *given: programs.append(compile_lowered(*given)) or programs[-1]
    )
    examples = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), DATASET.train)
    for placement in (placement_of(recipe), Placement(parallel, tuple(jax.local_devices()))):
        step = make_train_step(CHAIN, layout, PROBLEM, recipe, optimizer, placement.sharing(64))
        placement.compile(step, state, examples, (64,))
    alone, shared = (program.cost_analysis()["flops"] for program in programs)
    assert shared < alone / 8 * 1.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 12}, "batch_size=12 of the recipe cannot be divided among 8 devices; choose a multiple of 8"),
        ({"num_devices": 9}, "num_devices=9 of the recipe: this process has 8"),
    ],
)
def test_devices_that_do_not_fit_are_the_users_to_change(changes, message):
    with pytest.raises(UserError, match=message):
        prepare(CHAIN, PROBLEM, replace(RECIPE, parallel="jit", **changes))
