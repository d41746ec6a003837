"""Networks with a feature pyramid: what they cost, and maps that cover any image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.spaces.pyramid import Pyramid
from nas_jax.train.variables import draw_variables, plan_variables, variable_shapes

SPACE = Pyramid((64, 64, 3), 7, widths=(2, 4), map_widths=(4,))


def conv_flops(jaxpr):
    """Two for each multiply-add of all convolutions and products of matrices."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape  # height, width, inputs of a group, outputs
            total += 2 * equation.outvars[0].aval.size * int(np.prod(kernel[:3]))
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total += 2 * equation.outvars[0].aval.size * int(np.prod([shape[axis] for axis in contracted]))
        for value in equation.params.values():
            body = getattr(value, "jaxpr", value)
            total += conv_flops(body) if hasattr(body, "eqns") else 0
    return total


@pytest.mark.parametrize("block", ["conv", "residual"])
@pytest.mark.parametrize("fusion", SPACE.fusions)
@pytest.mark.parametrize("head", SPACE.heads)
def test_cost_is_that_of_the_network(block, fusion, head):
    """Its parameters, and its products as JAX traces them for an image."""
    genome = (2, 2, block, 3, 2, 4, 3, fusion, 4, head, 1)
    network = SPACE.network(genome)
    image = jnp.zeros((1, 64, 64, 3))
    shapes = variable_shapes(network, image)
    num_params = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
    assert SPACE.cost(genome) == (num_params, conv_flops(jax.make_jaxpr(network.apply)(shapes, image).jaxpr))


def test_a_shared_head_normalises_each_map_by_its_own_moments():
    """With the running moments of many equal steps, evaluation gives what training does."""
    network = SPACE.network((2, 1, "conv", 3, 1, 4, 3, "none", 4, "shared", 2))
    images = jnp.asarray(np.random.default_rng(0).normal(size=(4, 64, 64, 3)), jnp.float32)
    variables = draw_variables(plan_variables(network, images), 0)
    step = jax.jit(lambda variables: network.apply(variables, images, True, mutable=["batch_stats"]))
    for _ in range(150):
        trained, statistics = step(variables)
        variables = {**variables, **statistics}
    evaluated = jax.jit(network.apply)(variables, images)
    for first, second in zip(trained, evaluated, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-3)


def test_separable_blocks_have_the_parameters_that_are_said():
    genome = (4, 1, "separable", 5, 1, 8, 2, "add", 4, "shared", 0)
    params = variable_shapes(SPACE.network(genome), jnp.zeros((1, 64, 64, 3)))["params"]
    assert SPACE.cost(genome).num_params == sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize(("size", "expected"), [((32, 16), (8, 4)), ((33, 9), (12, 4)), ((5, 5), (4, 4))])
def test_each_map_halves_the_one_before_for_any_image(size, expected):
    space = Pyramid((*size, 1), 7, widths=(2,), map_widths=(4,))
    genome = (2, 1, "conv", 3, 1, 4, 3, "concatenate", 4, "separate", 0)
    image = jnp.asarray(np.random.default_rng(0).normal(size=(2, *size, 1)), jnp.float32)
    network = space.network(genome)
    variables = draw_variables(plan_variables(network, image), 0)
    maps = jax.jit(network.apply)(variables, image)
    assert [each.shape[1:3] for each in maps] == [tuple(side >> level for side in expected) for level in range(3)]


def test_no_class_is_likely_before_training():
    image = jnp.asarray(np.random.default_rng(0).normal(size=(4, 64, 64, 3)), jnp.float32)
    network = SPACE.network((4, 2, "conv", 3, 1, 4, 2, "add", 4, "shared", 1))
    variables = draw_variables(plan_variables(network, image), 0)
    bias = variables["params"]["outputs0"]["bias"]
    np.testing.assert_allclose(1 / (1 + np.exp(-bias[:3])), 0.01, rtol=1e-5)
    np.testing.assert_array_equal(bias[3:], 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strides": (4, 6)}, "strides: each has to be a power of two"),
        ({"num_maps": (1,)}, "num_maps: 1 is too small"),
        ({"heads": ("both",)}, "heads: there is no 'both'; choose from shared, separate"),
    ],
)
def test_choices_that_there_are_not_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Pyramid((32, 32, 1), 7, **fields)
