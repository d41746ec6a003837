"""What spaces say of their architectures, against the shapes within their Flax networks."""

from itertools import groupby

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.spaces.chain import Chain
from nas_jax.spaces.macro import NasBenchMacro
from nas_jax.spaces.nb201 import NasBench201
from nas_jax.spaces.nb201_network import EDGES
from nas_jax.spaces.structure import CellSpace, LayeredSpace

SHAPE = (16, 12, 3)


def shapes_within(space, genome):
    """The output shapes of the network's own submodules, by their class, in the order of their calls."""
    network = space.network(genome, jnp.float32)
    images = jnp.zeros((1, *SHAPE))

    def run():
        variables = network.init(jax.random.key(0), images)
        return network.apply(variables, images, capture_intermediates=True, mutable=["intermediates"])[1]

    children = jax.eval_shape(run)["intermediates"]
    named = [name.rsplit("_", 1) for name in children if name != "__call__"]
    ordered = sorted((kind, int(number)) for kind, number in named)
    return {
        kind: [children[f"{kind}_{number}"]["__call__"][0].shape[1:] for _, number in numbers]
        for kind, numbers in groupby(ordered, key=lambda pair: pair[0])
    }


@pytest.mark.parametrize("seed", range(5))
def test_the_layers_of_a_chain_have_the_shapes_of_its_network(seed):
    space = Chain(SHAPE, 5, conv_filters=(4, 8), fc_units=(8, 16), max_feature_layers=4)
    (genome,) = space.sample(np.random.default_rng(seed), 1)
    assert isinstance(space, LayeredSpace)
    layers, found = space.layers(genome), shapes_within(space, genome)
    assert [layer.shape for layer in layers if layer.kind == "conv"] == found.get("ConvBlock", [])
    assert [layer.shape for layer in layers if layer.kind == "dense" or layer.name == "output"] == found["Dense"]
    assert layers[0].shape == SHAPE


@pytest.mark.parametrize("seed", range(5))
def test_the_layers_of_a_macro_network_have_the_shapes_of_its_network(seed):
    space = NasBenchMacro(SHAPE, 5, filters=2)
    (genome,) = space.sample(np.random.default_rng(seed), 1)
    assert isinstance(space, LayeredSpace)
    layers, found = space.layers(genome), shapes_within(space, genome)
    blocks = [layer.shape for layer in layers if layer.name.startswith("MBConv")]
    assert blocks == found.get("InvertedBottleneck", [])
    assert [layer.shape for layer in layers if layer.name == "conv 1x1"] == found["PointwiseNorm"]
    assert layers[-1].shape == found["Dense"][0] == (5,)


def test_a_cell_has_the_edges_of_its_genome():
    space = NasBench201(SHAPE, 5)
    assert isinstance(space, CellSpace)
    assert not isinstance(space, LayeredSpace)
    for genome in space.sample(np.random.default_rng(0), 20):
        edges = {(edge.target, edge.source) for edge in space.cell(genome).edges}
        assert edges == {pair for pair, operation in zip(EDGES, genome, strict=True) if operation != "none"}
