"""NAS-Bench-Macro: canonical chains against networks, edits by brute force, costs against the benchmark's."""

import json
from functools import partial
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.layers import depthwise_conv2d
from nas_jax.spaces.macro import BLOCKS, STAGES, NasBenchMacro, canonical, digits, parse
from nas_jax.train.variables import initialize

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SPACE = NasBenchMacro(image_shape=(32, 32, 3), num_outputs=10)
CHAINS = list(product(BLOCKS, repeat=8))
GENOMES = list(SPACE.genomes())
TABLE = Path(__file__).parents[3] / "shared" / "benchmarks" / "nas-bench-macro_cifar10.json"
PUBLISHED = {  # parameters and multiply-adds
    "22212220": (1985514, 85164544),
    "02012100": (890666, 47327744),
    "11111221": (2181386, 65012224),
    "00011110": (1118378, 31390208),
    "02012220": (1886890, 65495552),
}


def shapes(network, image_shape=(32, 32, 3)):
    images = jnp.zeros((1, *image_shape))
    return jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))


def size(variables):
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def test_a_canonical_chain_is_the_same_network():
    """Block after block, an identity at the head of a stage apart: the others do nothing."""

    def effect(chain):
        return [[block for i, block in enumerate(chain[stage]) if i == 0 or block != "identity"] for stage in STAGES]

    assert len({str(effect(chain)) for chain in CHAINS}) == len(GENOMES) == 3969
    for chain in CHAINS:
        assert effect(canonical(chain)) == effect(chain)
        assert canonical(canonical(chain)) == canonical(chain)
    assert set(GENOMES) == {canonical(chain) for chain in CHAINS}


def test_equal_networks_give_equal_logits():
    space = NasBenchMacro((8, 8, 3), 5, filters=4)
    chain = parse("10201020")
    images = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 8, 3)), jnp.float32)
    first, second = (space.network(genome, jnp.float32) for genome in (chain, canonical(chain)))
    variables = initialize(first, (8, 8, 3), seed=0)
    assert chain != canonical(chain)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, initialize(second, (8, 8, 3), seed=0))
    np.testing.assert_array_equal(
        *(jax.jit(partial(network.apply, train=False))(variables, images) for network in (first, second))
    )


def test_digits_parse_back():
    assert parse("01200000") == ("identity", "MB3_K3", "MB6_K5", *["identity"] * 5)
    assert SPACE.describe(parse("01200012")) == (
        "identity, MB3_K3 | MB6_K5, identity, identity | identity, MB3_K3, MB6_K5"
    )
    for chain in CHAINS[::7]:
        assert parse(digits(chain)) == chain


@pytest.mark.parametrize("string", ["", "0120000", "012000000", "01200003", "0120000x"])
def test_other_digits_are_refused(string):
    with pytest.raises(ValueError, match=r"should be 8 digits out of 0 \(identity\), 1 \(MB3_K3\), 2 \(MB6_K5\)"):
        parse(string)


def is_one_edit(first, second):
    """Whether two sequences differ by changing, inserting or deleting one item."""
    short, long = sorted((first, second), key=len)
    if len(short) == len(long):
        return sum(a != b for a, b in zip(first, second, strict=True)) == 1
    return any(short == [*long[:i], *long[i + 1 :]] for i in range(len(long)))


def are_neighbors(first, second):
    """One stage differs: in its first block alone, or by one edit of what follows, identities left out."""
    (stage, *others) = [stage for stage in STAGES if first[stage] != second[stage]] or [None]
    if stage is None or others:
        return False
    (head, *rest), (other_head, *other_rest) = first[stage], second[stage]
    rest, other_rest = ([block for block in blocks if block != "identity"] for blocks in (rest, other_rest))
    return rest == other_rest if head != other_head else is_one_edit(rest, other_rest)


def test_neighbors_are_all_that_is_one_edit_away():
    for genome in GENOMES[::200]:
        neighbors = SPACE.neighbors(genome)
        assert len(set(neighbors)) == len(neighbors)
        assert set(neighbors) == {other for other in GENOMES if are_neighbors(genome, other)}


def test_every_neighbor_can_be_drawn():
    rng = np.random.default_rng(0)
    for genome in GENOMES[::1000]:
        assert {SPACE.mutate(rng, genome) for _ in range(500)} == set(SPACE.neighbors(genome))


def test_children_take_after_their_parents():
    rng = np.random.default_rng(0)
    for _ in range(200):
        first, second = SPACE.sample(rng, 2)
        child = SPACE.crossover(rng, first, second)
        assert canonical(child) == child
        for stage in STAGES:
            assert child[stage][0] in (first[stage][0], second[stage][0])
            assert set(child[stage]) <= {*first[stage], *second[stage]}
        assert SPACE.crossover(rng, first, first) == first
    children = {SPACE.crossover(rng, ("MB3_K3",) * 8, ("MB6_K5",) * 8) for _ in range(3000)}
    assert len(children) == 256


def test_sampling_the_whole_space_gives_each_genome_once():
    drawn = SPACE.sample(np.random.default_rng(0), 5000, exclude=GENOMES[:100])
    assert sorted(drawn) == sorted(GENOMES[100:])


def test_encodings():
    x = SPACE.encode(GENOMES)
    assert x.shape == (3969, 27)
    assert len(np.unique(x, axis=0)) == 3969
    blocks, counts = x[:, :24].reshape(-1, 8, 3), x[:, 24:]
    assert (blocks.argmax(axis=2) == [[int(digit) for digit in digits(genome)] for genome in GENOMES]).all()
    np.testing.assert_array_equal(counts, blocks.sum(axis=1))
    np.testing.assert_array_equal(SPACE.encode([parse("00101021")]), SPACE.encode([parse("00110021")]))
    wider = NasBenchMacro((32, 32, 3), 10, free_features=True).encode(GENOMES[:50])
    np.testing.assert_array_equal(wider[:, :-2], x[:50])
    np.testing.assert_allclose(10.0 ** wider[:, -2:], [SPACE.cost(genome) for genome in GENOMES[:50]], rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "stride", "size"),
    [((8, 8), 1, 3), ((8, 8), 2, 5), ((7, 4), 1, 5), ((7, 4), 2, 3), ((1, 2), 1, 3), ((1, 2), 2, 5)],
)
def test_depthwise_convolution_and_its_gradients_are_those_of_xla(shape, stride, size):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, *shape, 6)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(size, size, 1, 6)), jnp.float32)

    def plain(x, kernel, stride):
        pads = ((size // 2, size // 2),) * 2
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), pads, dimension_numbers=layout, feature_group_count=6
        )

    @partial(jax.jit, static_argnums=0)
    def with_gradients(conv, x, kernel):
        return conv(x, kernel, stride), *jax.grad(lambda *a: (conv(*a, stride) ** 2).sum(), (0, 1))(x, kernel)

    ours, theirs = (with_gradients(conv, x, kernel) for conv in (depthwise_conv2d, plain))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * float(jnp.abs(other).max()))


@pytest.mark.parametrize("image_shape", [(8, 8, 1), (9, 6, 3)])
@pytest.mark.parametrize("string", ["00000000", "12021210"])
def test_networks_give_logits_and_cost_what_is_said(string, image_shape):
    space = NasBenchMacro(image_shape, 7, filters=4)
    network = space.network(parse(string), jnp.float32)
    variables = initialize(network, image_shape, seed=0)
    logits, updated = jax.jit(lambda *a: network.apply(*a, train=True, mutable=["batch_stats"]))(
        variables, jnp.ones((2, *image_shape))
    )
    assert logits.shape == (2, 7)
    assert np.isfinite(logits).all()
    assert jax.tree.structure(updated["batch_stats"]) == jax.tree.structure(variables["batch_stats"])
    assert size(variables) == space.cost(parse(string)).num_params


@pytest.mark.parametrize("string", PUBLISHED)
def test_networks_have_the_published_size(string):
    num_params, multiply_adds = PUBLISHED[string]
    assert size(shapes(SPACE.network(parse(string), jnp.float32))) == num_params
    assert SPACE.cost(parse(string)) == (num_params, 2 * multiply_adds)


@pytest.mark.skipif(not TABLE.exists(), reason="no table of the benchmark beside the checkout")
def test_rows_of_the_benchmark_cost_what_they_say_and_equal_networks_share_theirs():
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    assert sorted(table) == sorted(map(digits, CHAINS))
    for number, (string, row) in enumerate(table.items()):
        assert table[digits(canonical(parse(string)))] == row
        assert number % 13 or SPACE.cost(parse(string)) == (row["params"], 2 * row["flops"])


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        NasBenchMacro((32, 32, 3), 10, filters=0)
