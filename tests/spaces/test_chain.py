"""Chains: validity, canonical form, edits, costs. Property tests draw spaces as well as genomes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nas_jax.layers import avg_pool, avg_pool_to, conv2d
from nas_jax.spaces.chain import Chain
from nas_jax.train.variables import initialize

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@st.composite
def spaces(draw):
    try:
        return Chain(
            image_shape=(draw(st.sampled_from([4, 7, 8, 16, 28])), draw(st.sampled_from([4, 8, 16])), 3),
            num_outputs=10,
            conv_sizes=tuple(draw(st.sets(st.sampled_from([1, 3, 5])))),
            conv_filters=tuple(draw(st.sets(st.sampled_from([8, 16]), min_size=1))),
            pool_types=tuple(draw(st.sets(st.sampled_from(["max", "avg"])))),
            fc_units=tuple(draw(st.sets(st.sampled_from([32, 64]), min_size=1))),
            min_feature_layers=draw(st.integers(0, 2)),
            max_feature_layers=draw(st.integers(2, 4)),
            min_fc_layers=draw(st.integers(0, 1)),
            max_fc_layers=draw(st.integers(1, 2)),
        )
    except ValueError as error:
        assume("empty" not in str(error))
        raise


@st.composite
def spaces_and_genomes(draw):
    space = draw(spaces())
    seed = draw(st.integers(0, 2**32 - 1))
    return space, space.sample(np.random.default_rng(seed), 1)[0]


SPACE = Chain(image_shape=(32, 32, 3), num_outputs=10)


def edit_distance(a, b):
    """Levenshtein's, where swapping two places counts as one edit as well."""
    differing = [i for i in range(len(a)) if a[i] != b[i]] if len(a) == len(b) else []
    if len(differing) == 2:
        i, j = differing
        return 1 if (a[i], a[j]) == (b[j], b[i]) else 2
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    table[:, 0], table[0, :] = range(len(a) + 1), range(len(b) + 1)
    for i in range(len(a)):
        for j in range(len(b)):
            substituted = table[i, j] + (a[i] != b[j])
            table[i + 1, j + 1] = min(table[i, j + 1] + 1, table[i + 1, j] + 1, substituted)
    return table[-1, -1]


@given(spaces_and_genomes())
def test_draws_are_valid(drawn):
    space, genome = drawn
    features = [layer for layer in genome if not layer.startswith("fc-")]
    fcs = [layer for layer in genome if layer.startswith("fc-")]
    assert genome == (*features, *fcs)
    assert space.is_valid(genome)
    assert space.min_feature_layers <= len(features) <= space.max_feature_layers
    assert space.min_fc_layers <= len(fcs) <= space.max_fc_layers
    assert min(space.image_shape[:2]) // 2 ** sum(layer in ("max", "avg") for layer in features) >= 1


@given(spaces_and_genomes())
def test_descriptions_parse_back(drawn):
    space, genome = drawn
    assert space.parse(space.describe(genome)) == genome


@given(spaces_and_genomes())
def test_neighbors_are_one_edit_away_and_so_are_we_from_them(drawn):
    space, genome = drawn
    for neighbor in space.neighbors(genome):
        assert space.is_valid(neighbor)
        assert edit_distance(genome, neighbor) == 1
        assert genome in space.neighbors(neighbor)


def test_neighbors_are_all_that_is_one_edit_away():
    space = Chain((8, 8, 1), 10, (3,), (8, 16), ("max", "avg"), (32, 64), 1, 3, 1, 2)
    everything = list(space.genomes())
    for genome in everything[::37]:
        assert set(space.neighbors(genome)) == {other for other in everything if edit_distance(genome, other) == 1}


def split(genome):
    num_fcs = sum(layer.startswith("fc-") for layer in genome)
    return genome[: len(genome) - num_fcs], genome[len(genome) - num_fcs :]


@given(spaces(), st.integers(0, 2**32 - 1))
def test_children_begin_as_one_parent_and_end_as_the_other(space, seed):
    rng = np.random.default_rng(seed)
    parents = space.sample(rng, 2)
    child = space.crossover(rng, parents[0], parents[-1])
    assert space.is_valid(child)
    assert space.crossover(rng, child, child) == child
    for part, first, second in zip(split(child), split(parents[0]), split(parents[-1]), strict=True):
        assert any(part == first[:i] + second[i:] for i in range(len(first) + len(second) + 1))


def test_every_child_can_be_drawn_and_none_is_a_parent():
    rng = np.random.default_rng(0)
    first, second = ("conv3x3-16", "max", "fc-128"), ("conv3x3-64", "conv5x5-16", "conv3x3-32", "fc-512")
    crossed = [second[:3], ("conv3x3-16", *second[1:3]), ("conv3x3-16", "max", "conv3x3-32"), first[:2]]
    expected = {(*features, fc) for features in crossed for fc in ("fc-128", "fc-512")} - {first, second}
    assert {SPACE.crossover(rng, first, second) for _ in range(300)} == expected


@settings(max_examples=20)
@given(spaces(), st.integers(0, 2**32 - 1))
def test_sampling_a_whole_space_gives_each_genome_once(space, seed):
    some = [genome for genome, _ in zip(space.genomes(), range(400), strict=False)]
    assert len(set(some)) == len(some)
    assert space.num_genomes == len(some) or space.num_genomes > 400 == len(some)
    assume(len(some) < 400)
    drawn = space.sample(np.random.default_rng(seed), len(some) + 5)
    assert sorted(drawn) == sorted(some)
    assert space.sample(np.random.default_rng(seed), 3, exclude=some) == []


@given(spaces(), st.integers(0, 2**32 - 1))
def test_different_genomes_have_different_encodings(space, seed):
    genomes = space.sample(np.random.default_rng(seed), 20)
    assert len(np.unique(space.encode(genomes), axis=0)) == len(genomes)


def test_the_same_network_is_written_in_one_way():
    """A last average pool on 8x8, 16x16, 32x32 does what the pooling before the classifier does anyway."""
    assert SPACE.parse("conv3x3-32, avg, fc-128") == ("conv3x3-32", "fc-128")
    assert SPACE.parse("conv3x3-32, avg, avg, avg, fc-128") == ("conv3x3-32", "fc-128")
    assert SPACE.parse("conv3x3-32, max, max, max, avg, fc-128") == ("conv3x3-32", "max", "max", "max", "avg", "fc-128")
    assert not SPACE.is_valid(("conv3x3-32", "avg", "fc-128"))
    assert SPACE.is_valid(("conv3x3-32", "avg", "max", "fc-128"))


@pytest.mark.parametrize(("side", "size"), [(s, k) for s in (1, 2, 3, 4) for k in (1, 3, 5, 7)])
def test_a_filter_is_refused_exactly_where_a_smaller_one_is_the_same(side, size):
    """On a map of this side, an outer ring of weights that meets only padding can be set to zero unseen."""
    space = Chain((side, side, 3), 10, conv_sizes=(1, 3, 5, 7))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, side, side, 3)), jnp.float32)
    kernel = jnp.asarray(np.random.default_rng(1).normal(size=(size, size, 3, 4)), jnp.float32)
    ends = np.array([0, -1])
    without_ring = kernel.at[ends].set(0).at[:, ends].set(0)
    is_same = size > 1 and bool(jnp.allclose(conv2d(x, kernel), conv2d(x, without_ring), atol=1e-6))
    assert is_same == (not space.is_valid((f"conv{size}x{size}-16", "fc-128")))


@pytest.mark.parametrize("side", [5, 6, 7, 8, 9, 12, 14, 16, 20, 24, 28, 32, 40, 64])
def test_a_last_average_pool_is_redundant_exactly_where_it_changes_nothing(side):
    x = jnp.asarray(np.random.default_rng(side).normal(size=(2, side, side, 3)), jnp.float32)
    pooled = avg_pool_to(avg_pool(x), 4)
    direct = avg_pool_to(x, 4)
    is_same = pooled.shape == direct.shape and bool(jnp.allclose(pooled, direct, atol=1e-6))
    assert is_same == (not Chain((side, side, 3), 10).is_valid(("conv3x3-16", "avg", "fc-128")))


def test_costs_by_hand():
    cost = SPACE.cost(("conv3x3-32", "max", "fc-128"))
    conv, fc, head = 3 * 3 * 3 * 32, 4 * 4 * 32 * 128, 128 * 10
    assert cost.num_params == conv + 2 * 32 + fc + 128 + head + 10
    assert cost.flops == 2 * (conv * 32 * 32 + fc + head)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_flops_agree_with_the_compiler(seed):
    """XLA counts activations too, and no products with padding: within 15 % where convolutions dominate."""
    space = Chain((32, 32, 3), 10, conv_sizes=(3,), conv_filters=(32, 64), pool_types=(), min_feature_layers=2)
    genome = space.sample(np.random.default_rng(seed), 1)[0]
    network = space.network(genome)
    images = jnp.zeros((1, 32, 32, 3))
    variables = initialize(network, (32, 32, 3), 0)
    lowered = jax.jit(lambda v, x: network.apply(v, x, train=False)).lower(variables, images)
    assert lowered.cost_analysis()["flops"] == pytest.approx(space.cost(genome).flops, rel=0.15)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_feature_layers": 3, "max_feature_layers": 2}, "min <= max"),
        ({"max_feature_layers": 10**22}, "min <= max <= 1000"),
        ({"conv_sizes": (3, 3)}, "twice"),
        ({"conv_sizes": (2,)}, "odd"),
        ({"conv_filters": (0,)}, "whole number from 1"),
        ({"pool_types": ("max", "median")}, "median"),
        ({"conv_filters": (), "min_feature_layers": 6}, "empty"),
        ({"fc_units": ()}, "empty"),
    ],
)
def test_impossible_spaces_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Chain((32, 32, 3), 10, **changes)


def test_a_foreign_chain_is_refused():
    with pytest.raises(ValueError, match="no chain of this space"):
        SPACE.parse("conv7x7-32, fc-128")
    with pytest.raises(ValueError, match="no chain of this space"):
        SPACE.parse("max, max, max, max, max, max, fc-128")


def test_a_space_of_one_has_no_mutant():
    space = Chain((8, 8, 1), 10, (3,), (8,), (), (32,), 1, 1, 1, 1)
    with pytest.raises(ValueError, match="no neighbour"):
        space.mutate(np.random.default_rng(0), ("conv3x3-8", "fc-32"))
