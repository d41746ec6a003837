"""What holds for every space, over the spaces of all configs' smoke variants."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from run_configs import SMOKE_CONFIGS

from nas_jax.build import build
from nas_jax.spaces.base import Space
from nas_jax.trial import freeze


@pytest.fixture(params=SMOKE_CONFIGS)
def space(request) -> Space:
    return build("nas_jax.spaces", request.param().to_dict()["space"], image_shape=(16, 16, 3), num_classes=5)


def test_is_a_space_and_draws_are_reproducible_distinct_and_not_excluded(space):
    assert isinstance(space, Space)
    genomes = space.sample(np.random.default_rng(0), 20)
    assert genomes == space.sample(np.random.default_rng(0), 20)
    assert len(set(genomes)) == 20
    others = space.sample(np.random.default_rng(1), 20, exclude=genomes)
    assert len(set(others)) == 20
    assert not set(others) & set(genomes)


def test_genomes_survive_json_and_describe_themselves_apart(space):
    genomes = space.sample(np.random.default_rng(0), 20)
    assert [freeze(json.loads(json.dumps(genome))) for genome in genomes] == genomes
    assert len({space.describe(genome) for genome in genomes}) == 20


def test_mutants_are_neighbors(space):
    rng = np.random.default_rng(0)
    for genome in space.sample(rng, 10):
        neighbors = space.neighbors(genome)
        assert genome not in neighbors
        assert len(set(neighbors)) == len(neighbors)
        assert all(space.mutate(rng, genome) in neighbors for _ in range(10))


def test_encodings_are_finite_distinct_and_of_one_width(space):
    genomes = space.sample(np.random.default_rng(0), 20)
    x = space.encode(genomes)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert len(np.unique(x, axis=0)) == 20
    np.testing.assert_array_equal(space.encode(genomes[7:8])[0], x[7])


def test_cost_is_that_of_the_network(space):
    for genome in space.sample(np.random.default_rng(0), 5):
        network = space.network(genome, jnp.float32)
        images = jnp.zeros((2, 16, 16, 3))
        variables = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))  # noqa: B023
        sizes = [leaf.size for leaf in jax.tree.leaves(variables["params"])]
        assert sum(sizes) == space.cost(genome).num_params
        logits = jax.eval_shape(lambda v: network.apply(v, images, train=False), variables)  # noqa: B023
        assert logits.shape == (2, 5)
