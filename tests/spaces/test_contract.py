"""What holds for every space of the package."""

import dataclasses
import importlib
import json
import pickle
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fakes import Numbers
from spaces_of_all_kinds import IMAGE_SHAPE, NAMES, NUM_OUTPUTS, example_spaces

import nas_jax.spaces
from nas_jax.data.synthetic import Synthetic
from nas_jax.evaluators.training import Training
from nas_jax.spaces.base import GeneSpace, NetworkSpace, Space
from nas_jax.tasks.classification import Classification
from nas_jax.train.recipe import Recipe
from nas_jax.trial import freeze


@pytest.fixture(scope="module")
def spaces(tmp_path_factory) -> dict[str, Space]:
    return example_spaces(tmp_path_factory.mktemp("tables"))


@pytest.fixture(params=NAMES)
def space(request, spaces) -> Space:
    return spaces[request.param]


@pytest.fixture(params=["chain", "nb201", "macro"])
def network_space(request, spaces) -> NetworkSpace:
    return spaces[request.param]


def test_no_space_of_the_package_is_left_out(spaces):
    modules = [
        importlib.import_module(f"nas_jax.spaces.{m.name}") for m in pkgutil.iter_modules(nas_jax.spaces.__path__)
    ]
    assert {module.make for module in modules if hasattr(module, "make")} == {type(space) for space in spaces.values()}


def test_is_a_space_that_hashes_and_travels(space):
    assert isinstance(space, Space)
    copy = pickle.loads(pickle.dumps(space))
    assert copy == space
    assert hash(copy) == hash(space)
    assert len(pickle.dumps(space)) < 1000  # the settings, not what follows from them


def test_genomes_are_all_different_and_counted(space):
    genomes = list(space.genomes())
    assert genomes == list(space.genomes())
    assert len(set(genomes)) == len(genomes) == space.num_genomes


def test_draws_are_reproducible_distinct_and_not_excluded(space):
    num = min(20, space.num_genomes // 2)
    genomes = space.sample(np.random.default_rng(0), num)
    assert genomes == space.sample(np.random.default_rng(0), num)
    assert len(set(genomes)) == num
    others = space.sample(np.random.default_rng(1), num, exclude=genomes)
    assert len(set(others)) == num
    assert not set(others) & set(genomes)
    assert space.sample(np.random.default_rng(2), 0) == []


def test_draws_exhaust_exactly_the_space(space):
    genomes = list(space.genomes())
    drawn = space.sample(np.random.default_rng(0), len(genomes) + 5, exclude=genomes[:3])
    assert len(drawn) == len(genomes) - 3
    assert set(drawn) == set(genomes[3:])


def test_genomes_survive_json_and_describe_themselves_apart(space):
    genomes = list(space.genomes())[:500]
    assert [freeze(json.loads(json.dumps(genome))) for genome in genomes] == genomes
    assert len({space.describe(genome) for genome in genomes}) == len(genomes)


def test_neighbors_and_mutants_are_others_of_the_space(space):
    rng = np.random.default_rng(0)
    inside = set(space.genomes())
    for genome in space.sample(rng, 10):
        neighbors = space.neighbors(genome)
        assert genome not in neighbors
        assert len(set(neighbors)) == len(neighbors) > 0
        assert set(neighbors) <= inside
        assert all(space.mutate(rng, genome) in neighbors for _ in range(10))


def test_crossovers_are_of_the_space_and_bring_something_new(space):
    inside = set(space.genomes())
    rng = np.random.default_rng(0)
    num_new = 0
    for _ in range(100):
        first, second = space.sample(rng, 2)
        child = space.crossover(rng, first, second)
        assert child in inside
        num_new += child not in (first, second)
    assert num_new > 30


def test_encodings_are_finite_distinct_and_do_not_depend_on_company(space):
    genomes = space.sample(np.random.default_rng(0), 300)
    x = space.encode(genomes)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert len(np.unique(x, axis=0)) == len(genomes)
    np.testing.assert_array_equal(space.encode(genomes[7:8])[0], x[7])


def test_genes_are_the_same_for_every_genome_and_lead_back_to_it(space):
    assert isinstance(space, GeneSpace)
    for genome in space.sample(np.random.default_rng(0), 300):
        genes = space.genes_of(genome)
        assert list(genes) == list(space.gene_choices)
        assert all(value is None or value in space.gene_choices[name] for name, value in genes.items())
        assert space.express(tuple(genes.values())) == genome


def test_combinations_of_choices_are_genomes_or_none(space):
    rng = np.random.default_rng(0)
    inside = set(space.genomes())
    drawn = [[choices[rng.integers(len(choices))] for choices in space.gene_choices.values()] for _ in range(300)]
    expressed = [space.express(combination) for combination in drawn]
    assert set(expressed) <= inside | {None}
    assert len(set(expressed)) > 20


def test_features_of_a_gene_are_decided_by_it_alone(space):
    genomes = space.sample(np.random.default_rng(0), 300)
    x = space.encode(genomes)
    assert len(space.feature_genes) == x.shape[1]
    for name, values in zip(space.feature_genes, x.T, strict=True):
        if name in space.gene_choices:
            choices = [space.genes_of(genome)[name] for genome in genomes]
            assert len({*zip(choices, values.tolist(), strict=True)}) == len(set(choices))


def test_cost_is_that_of_the_network(network_space):
    assert isinstance(network_space, NetworkSpace)
    for genome in network_space.sample(np.random.default_rng(0), 5):
        network = network_space.network(genome, jnp.float32)
        images = jnp.zeros((2, *IMAGE_SHAPE))
        variables = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))  # noqa: B023
        sizes = [leaf.size for leaf in jax.tree.leaves(variables["params"])]
        assert sum(sizes) == network_space.cost(genome).num_params
        logits = jax.eval_shape(lambda v: network.apply(v, images, train=False), variables)  # noqa: B023
        assert logits.shape == (2, NUM_OUTPUTS)


def test_networks_compute_in_bfloat16(network_space):
    """As on accelerators; what they give is float32."""
    for genome in network_space.sample(np.random.default_rng(1), 5):
        network = network_space.network(genome, jnp.bfloat16)
        images = jnp.zeros((2, *IMAGE_SHAPE))
        variables = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))  # noqa: B023
        logits = jax.eval_shape(lambda v: network.apply(v, images, train=False), variables)  # noqa: B023
        assert logits.dtype == jnp.float32


def test_free_features_are_log_costs(spaces):
    for name in ("chain", "nb201", "macro"):
        space = spaces[name]
        genomes = space.sample(np.random.default_rng(0), 20)
        without, with_free = (
            dataclasses.replace(space, free_features=is_on).encode(genomes) for is_on in (False, True)
        )
        np.testing.assert_array_equal(with_free[:, :-2], without)
        np.testing.assert_allclose(10.0 ** with_free[:, -2:], [space.cost(genome) for genome in genomes], rtol=1e-5)


def test_what_has_no_networks_is_not_trained(spaces):
    recipe = Recipe(num_epochs=2, batch_size=32, learning_rate=0.1)
    assert not isinstance(spaces["table"], NetworkSpace)
    with pytest.raises(ValueError, match="Categorical has no networks to train"):
        Training(spaces["table"], Synthetic(), Classification(), recipe)
    Training(Numbers(), Synthetic(), Classification(), recipe)
