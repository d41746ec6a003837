"""Encoder-decoders: what they cost, and maps of the image's size whatever that is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.spaces.encoder_decoder import EncoderDecoder
from nas_jax.spaces.encoder_decoder_network import doubled
from nas_jax.train.variables import draw_variables, plan_variables, variable_shapes

SPACE = EncoderDecoder((16, 8, 3), 4, widths=(2, 4))


@pytest.mark.parametrize("block", SPACE.blocks)
@pytest.mark.parametrize("skip", SPACE.skips)
def test_cost_is_that_of_the_network(block, skip):
    """Kernels by their shapes, at each place of the map on which the network has them."""
    genome = (3, 4, 2, block, 3, 2, skip, "nearest")
    network = SPACE.network(genome)
    image = jax.ShapeDtypeStruct((1, 16, 8, 3), jnp.float32)
    params = variable_shapes(network, image)["params"]
    num_params = sum(leaf.size for leaf in jax.tree.leaves(params))
    places = {"0": 128, "1": 32, "2": 8}
    flops = 2 * params["outputs"]["kernel"].size * 128
    for name, layer in params.items():
        if name != "outputs":
            level = name.removeprefix("down").removeprefix("up").removeprefix("narrow")[0]
            size = places[str(int(level) + 1)] if name.startswith("narrow") else places[level]
            flops += sum(2 * leaf.size * size for leaf in jax.tree.leaves(layer) if leaf.ndim == 4)
    assert SPACE.cost(genome) == (num_params, flops)


@pytest.mark.parametrize("size", [(7, 10), (4, 4), (1, 3)])
def test_the_map_has_the_size_of_any_image(size):
    space = EncoderDecoder((*size, 1), 2, widths=(2,))
    genome = (4, 2, 1, "conv", 3, 1, "concatenate", "bilinear")
    image = jnp.asarray(np.random.default_rng(0).normal(size=(2, *size, 1)), jnp.float32)
    network = space.network(genome)
    variables = draw_variables(plan_variables(network, image), 0)
    assert jax.jit(network.apply)(variables, image).shape == (2, *size, 2)
    assert (
        space.cost(genome).flops
        == EncoderDecoder((8, 16, 1), 2, widths=(2,)).cost(genome).flops
        * ({(7, 10): 1, (4, 4): 0.5, (1, 3): 0.5}[size])
    )


def test_a_network_with_skips_sees_single_pixels():
    """Without levels below, a network with a skip can tell neighbouring pixels apart, and one without cannot."""
    image = np.zeros((1, 8, 8, 1), np.float32)
    image[0, ::2, ::2] = 1

    def spread(skip):
        space = EncoderDecoder((8, 8, 1), 1, widths=(4,))
        network = space.network((2, 4, 1, "conv", 1, 1, skip, "nearest"))
        variables = draw_variables(plan_variables(network, jnp.asarray(image)), 0)
        outputs = np.asarray(jax.jit(network.apply)(variables, jnp.asarray(image)))
        return np.ptp(outputs[0, :2, :2, 0])

    assert spread("none") == pytest.approx(0, abs=1e-6)
    assert spread("add") > 1e-3
    assert spread("concatenate") > 1e-3


@pytest.mark.parametrize("how", SPACE.upsamplings)
def test_a_map_that_is_enlarged_keeps_its_mean(how):
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    found = np.asarray(doubled(jnp.asarray(x), how))
    assert found.shape == (2, 6, 10, 4)
    if how == "nearest":
        np.testing.assert_array_equal(found, np.kron(x, np.ones((1, 2, 2, 1), np.float32)))
    else:
        np.testing.assert_allclose(
            found[:, 1, 1], (9 * x[:, 0, 0] + 3 * x[:, 0, 1] + 3 * x[:, 1, 0] + x[:, 1, 1]) / 16, rtol=1e-5
        )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"blocks": ("conv", "wide")}, "blocks: there is no 'wide'; choose from conv, residual, separable"),
        ({"widths": ()}, "the gene 'width' needs choices"),
        ({"num_levels": (1, 2)}, "num_levels: 1 is too small"),
        ({"kernel_sizes": (3, 4)}, "kernel_sizes: each has to be odd"),
    ],
)
def test_choices_that_there_are_not_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        EncoderDecoder((8, 8, 1), 2, **fields)
