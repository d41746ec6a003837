"""NAS-Bench-201: canonical cells against what cells compute, edits by brute force, costs against the benchmark's."""

import csv
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.spaces.nb201 import ENCODINGS, OPERATIONS, NasBench201, canonical, parse
from nas_jax.spaces.nb201_network import Cell, ReluConvNorm
from nas_jax.train.variables import initialize

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SPACE = NasBench201(image_shape=(32, 32, 3), num_outputs=10)
CELLS = list(product(OPERATIONS, repeat=6))
GENOMES = list(SPACE.genomes())
TABLE = Path(__file__).parents[3] / "shared" / "benchmarks" / "nas_bench_201_cifar10.csv"
PUBLISHED = {  # parameters and millions of multiply-adds; the second and third have dead convolutions
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|": (
        858426,
        121.816,
    ),
    "|none~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|none~2|": (101306, 11.715),
    "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|": (316346, 43.172),
    "|avg_pool_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|skip_connect~1|avg_pool_3x3~2|": (73306, 7.783),
}


def outputs(cell, weights, x):
    """What a cell gives for `x` where a convolution is a random matrix of its edge after a ReLU."""
    nodes = [x]
    edges = iter(zip(cell, weights, strict=True))
    for node in (1, 2, 3):
        total = np.zeros_like(x)
        for source in range(node):
            operation, matrices = next(edges)
            if operation == "skip_connect":
                total = total + nodes[source]
            elif operation == "avg_pool_3x3":
                total = total + weights[0]["avg_pool_3x3"] @ nodes[source]
            elif operation != "none":
                total = total + matrices[operation] @ np.maximum(nodes[source], 0)
        nodes.append(total)
    return nodes[3]


@pytest.fixture(scope="module")
def computed():
    """What each of the 15,625 cells gives for one random input."""
    rng = np.random.default_rng(0)
    weights = [{operation: rng.normal(size=(8, 8)) for operation in OPERATIONS} for _ in range(6)]
    x = rng.normal(size=8)
    return {cell: outputs(cell, weights, x) for cell in CELLS}


def test_a_canonical_cell_computes_the_same(computed):
    for cell in CELLS:
        np.testing.assert_array_equal(computed[canonical(cell)], computed[cell])


def test_nothing_can_be_left_out_of_a_canonical_cell(computed):
    for genome in GENOMES:
        for edge in range(6):
            if genome[edge] != "none":
                without = (*genome[:edge], "none", *genome[edge + 1 :])
                assert not np.allclose(computed[without], computed[genome])


def test_there_are_as_many_genomes_as_the_literature_counts():
    assert len(set(GENOMES)) == len(GENOMES) == 9445
    assert set(GENOMES) == {canonical(cell) for cell in CELLS} == {cell for cell in CELLS if canonical(cell) == cell}


def test_strings_parse_back():
    assert parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|") == (
        "nor_conv_3x3",
        "none",
        "skip_connect",
        "avg_pool_3x3",
        "none",
        "nor_conv_1x1",
    )
    for cell in CELLS[::7]:
        assert parse(SPACE.describe(cell)) == cell


@pytest.mark.parametrize(
    ("string", "message"),
    [
        ("", "is no cell"),
        ("|none~0|+|none~0|none~1|", "is no cell"),
        ("|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", "is no cell"),
        ("|none~0|+|none~0|none~1|+|none~0|max_pool~1|none~2|", "has max_pool; choose from none, skip_connect"),
    ],
)
def test_other_strings_are_refused(string, message):
    with pytest.raises(ValueError, match=message):
        parse(string)


def test_neighbors_are_all_that_one_operation_away():
    codes = np.array([[OPERATIONS.index(operation) for operation in cell] for cell in CELLS])
    forms = [canonical(cell) for cell in CELLS]
    dead = tuple(["none"] * 6)
    for genome in [dead, *GENOMES[::500]]:
        same = [code for code, form in zip(codes, forms, strict=True) if form == genome]
        is_near = np.any([(codes != code).sum(axis=1) == 1 for code in same], axis=0)
        expected = {form for form, near in zip(forms, is_near, strict=True) if near} - {genome}
        neighbors = SPACE.neighbors(genome)
        assert set(neighbors) == expected
        assert len(set(neighbors)) == len(neighbors)
        rng = np.random.default_rng(0)
        assert {SPACE.mutate(rng, genome) for _ in range(20)} <= expected
    assert all(dead in SPACE.neighbors(neighbor) for neighbor in SPACE.neighbors(dead)[::50])


def test_every_neighbor_can_be_drawn():
    genome, rng = GENOMES[-1], np.random.default_rng(0)
    assert {SPACE.mutate(rng, genome) for _ in range(500)} == set(SPACE.neighbors(genome))


def test_children_take_after_their_parents():
    rng = np.random.default_rng(0)
    for _ in range(200):
        first, second = SPACE.sample(rng, 2)
        child = SPACE.crossover(rng, first, second)
        assert canonical(child) == child
        assert all(gene in (*parents, "none") for gene, *parents in zip(child, first, second, strict=True))
        assert SPACE.crossover(rng, first, first) == first
    children = {SPACE.crossover(rng, ("nor_conv_1x1",) * 6, ("nor_conv_3x3",) * 6) for _ in range(1000)}
    assert len(children) == 64


def test_sampling_the_whole_space_gives_each_genome_once():
    drawn = SPACE.sample(np.random.default_rng(0), 10000, exclude=GENOMES[:100])
    assert sorted(drawn) == sorted(GENOMES[100:])


@pytest.mark.parametrize(("encoding", "width"), [("summary", 46), ("functional", 62), ("one_hot", 30), ("path", 84)])
def test_encodings(encoding, width):
    space = NasBench201((32, 32, 3), 10, encoding)
    x = space.encode(GENOMES)
    assert x.shape == (9445, width)
    assert encoding == "path" or len(np.unique(x, axis=0)) == 9445
    np.testing.assert_array_equal(space.encode(CELLS[::97]), space.encode([canonical(cell) for cell in CELLS[::97]]))
    wider = NasBench201((32, 32, 3), 10, encoding, free_features=True).encode(GENOMES[:50])
    np.testing.assert_array_equal(wider[:, :-2], x[:50])
    costs = [SPACE.cost(genome) for genome in GENOMES[:50]]
    np.testing.assert_allclose(10.0 ** wider[:, -2:], costs, rtol=1e-5)


BY_HAND = parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|avg_pool_3x3~2|")
DEPTHS_BY_HAND = [[0, 2**0.5, 0, 0], [0, 2**0.5, 0, 0], [1, 1, 0, 0]]  # of convolutions, of 3x3 ones, of pools


def test_functional_features_by_hand():
    """Paths: input -> 3x3 -> output, and input -> 3x3 -> pool -> output by way of a skip connection."""
    (x,) = NasBench201((32, 32, 3), 10, "functional").encode([BY_HAND])
    sequences, depths, totals, numbers = np.split(x, [40, 52, 56])
    assert np.flatnonzero(sequences).tolist() == [2, 4 + 3 + 2]  # (3x3,) and (3x3, pool), after (), singles and pairs
    np.testing.assert_allclose(depths.reshape(3, 4), DEPTHS_BY_HAND, rtol=1e-6)
    assert totals.tolist() == [2, 0, 1, 1]
    assert numbers.tolist() == [3, 0, 1, 0, 1, 4]


def test_summary_by_hand():
    (x,) = SPACE.encode([BY_HAND])
    depths, totals, edges = np.split(x, [12, 16])
    np.testing.assert_allclose(depths.reshape(3, 4), DEPTHS_BY_HAND, rtol=1e-6)
    assert totals.tolist() == [2, 0, 1, 1]
    assert edges.reshape(6, 5).argmax(axis=1).tolist() == [3, 0, 1, 0, 1, 4]
    assert edges.sum() == 6


def test_a_cell_sums_what_its_edges_give():
    cell = Cell(("nor_conv_3x3", "skip_connect", "avg_pool_3x3", "none", "nor_conv_1x1", "skip_connect"))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 4, 3)), jnp.float32)
    variables = cell.init(jax.random.key(0), x, train=False)

    def conv(index, side, x):
        own = {kind: tree[f"ReluConvNorm_{index}"] for kind, tree in variables.items()}
        return ReluConvNorm(3, side).apply(own, x, train=False)

    first = conv(0, 3, x)
    padded = np.pad(first, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    expected = conv(1, 1, first) + (x + np.nanmean(windows, axis=(-2, -1)))
    np.testing.assert_allclose(cell.apply(variables, x, train=False), expected, atol=1e-5)


@pytest.mark.parametrize("image_shape", [(8, 8, 1), (9, 6, 3)])
def test_networks_give_logits_and_cost_what_is_said(image_shape):
    space = NasBench201(image_shape, 7, num_cells=1, filters=4)
    images = jnp.ones((2, *image_shape))
    for genome in [("none",) * 6, *GENOMES[1::2500]]:
        network = space.network(genome, jnp.float32)
        variables = initialize(network, image_shape, seed=0)
        logits, updated = network.apply(variables, images, train=True, mutable=["batch_stats"])
        assert logits.shape == (2, 7)
        assert np.isfinite(logits).all()
        assert jax.tree.structure(updated["batch_stats"]) == jax.tree.structure(variables["batch_stats"])
        assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == space.cost(genome).num_params


@pytest.mark.parametrize("string", PUBLISHED)
def test_networks_have_the_published_size(string):
    num_params, mega_multiply_adds = PUBLISHED[string]
    network = SPACE.network(parse(string), jnp.float32)
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == num_params
    cost = SPACE.cost(parse(string))
    assert cost.num_params == num_params
    assert cost.flops / 2e6 == pytest.approx(mega_multiply_adds, abs=5e-4)


def test_flops_agree_with_the_compiler():
    """XLA counts activations too, and no products with padding."""
    space = NasBench201((32, 32, 3), 10, num_cells=1)
    genome = ("nor_conv_3x3",) * 6
    network = space.network(genome, jnp.float32)
    variables = initialize(network, (32, 32, 3), 0)
    lowered = jax.jit(lambda v, x: network.apply(v, x, train=False)).lower(variables, jnp.zeros((1, 32, 32, 3)))
    assert lowered.cost_analysis()["flops"] == pytest.approx(space.cost(genome).flops, rel=0.1)


@pytest.mark.skipif(not TABLE.exists(), reason="no table of the benchmark beside the checkout")
def test_rows_of_the_benchmark_cost_what_they_say():
    with TABLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows[::31]:
        cost = SPACE.cost(parse(row["architecture"]))
        assert cost.num_params == int(row["params"])
        assert cost.flops / 2e6 == pytest.approx(float(row["mflops"]), abs=6e-4)
    best = max(rows, key=lambda row: float(row["val_accuracy_200"]))["architecture"]
    assert canonical(parse(best)) == parse(best)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoding": "adjacency"}, f"choose from {', '.join(ENCODINGS)}"),
        ({"num_cells": 0}, "at least 1"),
        ({"filters": 0}, "at least 1"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        NasBench201((32, 32, 3), 10, **changes)
