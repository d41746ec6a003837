"""Recurrent networks, convolutional ones and Transformers of text: what they cost, and what they look at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from nas_jax.spaces.recurrent import Recurrent
from nas_jax.spaces.recurrent_network import CELLS
from nas_jax.spaces.text_cnn import TextCnn
from nas_jax.spaces.text_layers import pool, sinusoids
from nas_jax.spaces.transformer import Transformer
from nas_jax.train.variables import draw_variables, plan_variables, variable_shapes

pytestmark = pytest.mark.usefixtures("compiled_quickly")

LENGTH, NUM_TOKENS = 6, 11
VECTOR, SEQUENCE = "tokens -> vector", "tokens -> sequence"
NUM_OUTPUTS = {VECTOR: 5, SEQUENCE: NUM_TOKENS}
SPACES = [
    cls(LENGTH, NUM_TOKENS, num, kind)
    for cls in (Recurrent, TextCnn, Transformer)
    for kind, num in NUM_OUTPUTS.items()
    if kind in cls.signatures
]


def product_flops(jaxpr):
    """Two for each multiply-add of all products and convolutions, those in loops as often as they run."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total += 2 * equation.outvars[0].aval.size * int(np.prod([shape[axis] for axis in contracted]))
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval
            num_filters = kernel.shape[equation.params["dimension_numbers"].rhs_spec[0]]
            total += 2 * equation.outvars[0].aval.size * kernel.size // num_filters
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else [value]:
                body = getattr(inner, "jaxpr", inner)
                total += times * product_flops(body) if hasattr(body, "eqns") else 0
    return total


@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{type(space).__name__} {space.signature}")
def test_cost_is_that_of_the_network(space):
    genomes = space.sample(np.random.default_rng(0), 3)
    tokens = jnp.ones((1, LENGTH), jnp.int32)
    for genome in genomes:
        network = space.network(genome, jnp.float32)
        shapes = variable_shapes(network, tokens)
        num_params = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
        outputs = jax.eval_shape(network.apply, shapes, tokens)
        flops = product_flops(jax.make_jaxpr(network.apply)(shapes, tokens).jaxpr)
        assert space.cost(genome) == (num_params, flops), space.describe(genome)
        assert outputs.shape == (1, *((LENGTH,) if space.signature == SEQUENCE else ()), space.num_outputs)
    x = space.encode(genomes)
    np.testing.assert_allclose(10 ** x[:, -2:], [space.cost(genome) for genome in genomes], rtol=1e-4)


def outputs_of(space, genome, tokens):
    network = space.network(genome, jnp.float32)
    variables = draw_variables(plan_variables(network, tokens[:1]), 0)
    return np.asarray(jax.jit(network.apply)(variables, tokens))


@pytest.mark.parametrize(
    "space", [space for space in SPACES if space.signature == SEQUENCE], ids=lambda s: type(s).__name__
)
def test_no_token_sees_a_later_one(space):
    first = np.random.default_rng(0).integers(2, NUM_TOKENS, (1, LENGTH), np.int32)
    second = first.copy()
    second[:, 4:] = (first[:, 4:] - 1) % 9 + 2
    for genome in space.sample(np.random.default_rng(1), 2):
        both = outputs_of(space, genome, np.concatenate([first, second]))
        np.testing.assert_allclose(both[0, :4], both[1, :4], atol=1e-5)
        assert not np.allclose(both[0, 4:], both[1, 4:], atol=1e-5)


@pytest.mark.parametrize(
    "space", [space for space in SPACES if space.signature == VECTOR], ids=lambda s: type(s).__name__
)
def test_padding_changes_nothing(space):
    """A text gives what it gives where there is no room for padding. All padding gives numbers too."""
    text = np.random.default_rng(0).integers(2, NUM_TOKENS, (1, 4), np.int32)
    padded = np.pad(text, ((0, 0), (0, 2)))
    with_empty = np.concatenate([padded, np.zeros_like(padded)])
    genomes = space.sample(np.random.default_rng(2), 40)
    learned = [genome for genome in genomes if space.genes_of(genome).get("position") == "learned"]
    for genome in [*genomes[:2], *learned[:1]]:
        found = outputs_of(space, genome, with_empty)
        expected = outputs_of(space, genome, text)
        np.testing.assert_allclose(found[:1], expected, atol=1e-5, err_msg=space.describe(genome))
        assert np.isfinite(found).all()


@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{type(space).__name__} {space.signature}")
def test_networks_compute_in_bfloat16_whatever_they_are_of(space):
    """As on accelerators; each choice of each gene once."""
    left = {(name, choice) for name, choices in space.gene_choices.items() for choice in choices}
    tokens = jnp.ones((2, LENGTH), jnp.int32)
    for genome in space.sample(np.random.default_rng(3), 300):
        genes = {*space.genes_of(genome).items()}
        if genes & left:
            left -= genes
            network = space.network(genome, jnp.bfloat16)
            outputs = jax.eval_shape(network.apply, variable_shapes(network, tokens), tokens)
            assert outputs.dtype == jnp.float32
    assert not left


def test_the_last_state_of_what_reads_backwards_has_seen_the_whole_text():
    """Of two texts that share the last token alone, one of them padded."""
    settings = {"num_layers": (1,), "widths": (8,), "dropouts": (0.0,), "directions": ("both",), "pools": ("last",)}
    space = Recurrent(LENGTH, NUM_TOKENS, 5, VECTOR, cells=("gru",), **settings)
    network = space.network(next(iter(space.genomes())), jnp.float32)
    tokens = jnp.array([[3, 4, 5, 6, 7, 8], [2, 9, 2, 8, 0, 0]])
    variables = draw_variables(plan_variables(network, tokens[:1]), 0)
    kernel = variables["params"]["outputs"]["kernel"]
    for half in (slice(8), slice(8, None)):
        changed = {**variables["params"]["outputs"], "kernel": jnp.zeros_like(kernel).at[half].set(kernel[half])}
        outputs = network.apply({"params": {**variables["params"], "outputs": changed}}, tokens)
        assert float(jnp.abs(outputs[0] - outputs[1]).max()) > 0.01


def test_pools_are_over_what_is_no_padding():
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(3, 5, 2)).astype(np.float32), (5, 2, 1)
    mask = np.arange(5) < np.array(lengths)[:, None]
    for kind, function in {
        "mean": lambda rows: rows.mean(0),
        "max": lambda rows: rows.max(0),
        "first": lambda rows: rows[0],
        "last": lambda rows: rows[-1],
    }.items():
        expected = [function(row[:length]) for row, length in zip(x, lengths, strict=True)]
        np.testing.assert_allclose(pool(jnp.asarray(x), jnp.asarray(mask), kind), expected, rtol=1e-5)


def test_products_of_places_depend_on_their_distance_alone():
    waves = sinusoids(30, 16)
    products = waves @ waves.T
    for distance in (0, 1, 5):
        np.testing.assert_allclose(np.diagonal(products, distance), products[0, distance], rtol=1e-4, atol=1e-4)


def test_a_tied_embedding_has_no_layer_of_outputs():
    space = SPACES[-1]
    (genome,) = space.sample(np.random.default_rng(0), 1)
    tied, untied = ((*genome[:-1], is_tied) for is_tied in (True, False))
    sizes = [space.cost(each).num_params for each in (tied, untied)]
    assert sizes[1] - sizes[0] == (space.settings(genome).width + 1) * NUM_TOKENS


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recurrent(6, 11, 5, VECTOR, cells=("tanh",)), "cells: there is no 'tanh'; choose from lstm"),
        (lambda: Transformer(6, 11, 5, VECTOR, widths=(6,), num_heads=(4,)), "divide"),
        (lambda: Transformer(6, 11, 5, "image -> map"), "signature: there is no 'image -> map'"),
        (lambda: Recurrent(6, 11, 5, VECTOR, dropouts=(1.0,)), "dropouts: 1.0"),
        (lambda: TextCnn(6, 11, 5, VECTOR, kernel_sizes=("3-0",)), "kernel_sizes: '3-0' has to be numbers of tokens"),
        (lambda: Recurrent(6, 11, 5, VECTOR, embeddings=(8, 0)), "embeddings: 0 is too small"),
        (lambda: TextCnn(6, 11, 5, VECTOR, widths=(0,)), "widths: 0 is too small, each has to be at least 1"),
        (lambda: Transformer(6, 11, 5, VECTOR, num_heads=(0, 1)), "num_heads: 0 is too small"),
        (lambda: Transformer(6, 11, 5, VECTOR, num_layers=(-1,)), "num_layers: -1 is too small"),
        (lambda: TextCnn(6, 11, 5, VECTOR, num_layers=(0, 1)), "num_layers: 0 is too small"),
        (lambda: TextCnn(6, 11, 11, SEQUENCE), "signature: there is no 'tokens -> sequence'"),
    ],
)
def test_wrong_choices_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_is_exported_for_batches_of_any_size(cell):
    network = Recurrent(LENGTH, NUM_TOKENS, 5, VECTOR).network((cell, 1, 4, 4, 0.0, "both", "max"), np.float32)
    shapes = variable_shapes(network, np.zeros((1, LENGTH), np.int32))
    variables = jax.tree.map(lambda shape: np.zeros(shape.shape, shape.dtype), shapes)
    (num,) = export.symbolic_shape("n")
    exported = export.export(jax.jit(network.apply))(variables, jax.ShapeDtypeStruct((num, LENGTH), jnp.int32))
    for size in (1, 3):
        assert exported.call(variables, jnp.ones((size, LENGTH), jnp.int32)).shape == (size, 5)
