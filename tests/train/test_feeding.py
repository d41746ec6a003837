"""Training on examples in files: it is the same training as on examples in memory."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from nas_jax.data.stored import training_split
from nas_jax.data.synthetic import Synthetic
from nas_jax.spaces.chain_network import ChainNetwork
from nas_jax.tasks.base import Problem, load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.feeding import feed_of
from nas_jax.train.fit import prepare, train
from nas_jax.train.parallel.placement import one_device
from nas_jax.train.recipe import Recipe
from nas_jax.train.resident import training_arrays

pytestmark = pytest.mark.usefixtures("compiled_once")

PROBLEM = load_problem(Classification(), Synthetic(num_train=92, num_val=50, num_test=30, pad=1, flip=True))
RECIPE = Recipe(num_epochs=2, batch_size=16, learning_rate=0.05, drop_last=False)
CHAIN = ChainNetwork(("conv3x3-8", "max", "fc-16"), 4)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    """The problem with its training examples in files."""
    dataset = PROBLEM.dataset

    def read(places):
        return {name: array[list(places)] for name, array in dataset.train.items()}

    kept = training_split(range(92), read, str(tmp_path_factory.mktemp("stored")), lambda: "the synthetic ones")
    return Problem(PROBLEM.task, replace(dataset, train=kept.split, stored=kept.stored))


@pytest.mark.parametrize(("compilation", "is_scanned"), [("layers", None), ("network", False), ("network", True)])
def test_it_is_bit_for_bit_the_training_in_memory(compilation, is_scanned, streamed):
    recipe = replace(RECIPE, compilation=compilation)
    here = train(prepare(CHAIN, PROBLEM, recipe, is_scanned=False), [3])[0]
    there = train(prepare(CHAIN, streamed, recipe, is_scanned=is_scanned), [3])[0]
    assert there.metrics["curve"] == here.metrics["curve"]
    jax.tree.map(np.testing.assert_array_equal, there.variables, here.variables)


def test_nothing_but_batches_comes_to_the_devices(streamed):
    training_arrays.cache_clear()
    batches = np.random.default_rng(0).permutation(92)[:80].astype(np.int32).reshape(5, 16)
    steps = list(feed_of(streamed.dataset, one_device().replicated).steps(batches))
    assert training_arrays.cache_info().misses == 0
    for indices, (arrays, places) in zip(batches, steps, strict=True):
        for name, array in arrays.items():
            np.testing.assert_array_equal(array[places], PROBLEM.dataset.train[name][indices])
