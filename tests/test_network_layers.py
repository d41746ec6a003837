"""Network blocks against Flax's and XLA's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nas_jax.cpu.conv import direct_conv
from nas_jax.cpu.spectral_conv import spectral_conv
from nas_jax.layers import (
    Conv,
    ConvBlock,
    DenseOfPlaces,
    avg_pool,
    avg_pool_to,
    conv2d,
    dense_product,
    he_kernel,
    max_pool,
)

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def images(side, channels, seed=0, num=3):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(num, side, side, channels)), jnp.float32)


def plain_conv(x, kernel, stride=1):
    pad = (kernel.shape[0] // 2,) * 2
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), (pad, pad), dimension_numbers=layout)


def assert_equal_with_gradients(conv, shape, size, filters, *stride):
    """The convolution of images of `shape`, and its gradients, are those of XLA."""
    assert_alike(conv, plain_conv, shape, (size, size, shape[-1], filters), *stride)


def assert_alike(ours, theirs, shape, kernel_shape, *rest):
    """Both functions of arrays of these shapes, and their gradients."""
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=each), jnp.float32) for each in (shape, kernel_shape))
    weights = jnp.asarray(rng.normal(size=jax.eval_shape(lambda *inputs: theirs(*inputs, *rest), x, kernel).shape))
    ours, theirs = (
        jax.jit(jax.value_and_grad(lambda *inputs: (each(*inputs, *rest) * weights).sum(), argnums=(0, 1)))(x, kernel)  # noqa: B023
        for each in (ours, theirs)
    )
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * float(jnp.abs(other).max()))


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize(
    ("num", "side", "filters"),
    [(3, 1, 4), (3, 2, 4), (3, 4, 4), (3, 7, 4), (3, 20, 4), (3, 20, 64), (64, 8, 32), (70, 6, 32)],
)
def test_convolution_and_its_gradients_are_those_of_xla(num, side, filters, size):
    assert_equal_with_gradients(conv2d, (num, side, side, 3), size, filters)
    assert_equal_with_gradients(conv2d, (num, side, side, 40), size, filters)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("sides", [(1, 1), (2, 5), (3, 4), (9, 6), (32, 32), (33, 16)])
def test_convolution_by_spectra_is_that_of_xla(sides, size):
    assert_equal_with_gradients(spectral_conv, (3, *sides, 5), size, 4)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("shape", [(8, 20, 25, 4), (7, 20, 25, 4), (3, 50, 60, 4), (8, 20, 25, 9)])
def test_direct_convolution_in_groups_of_images_is_that_of_xla(shape, size):
    """Groups of four and of one; the wider map is that of the images, or of the filters."""
    assert_equal_with_gradients(direct_conv, shape, size, 6)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize(("sides", "stride"), [((20, 25), 2), ((25, 20), 2), ((1, 2), 2), ((20, 25), 3)])
def test_convolution_with_a_stride_is_that_of_xla(sides, stride, size):
    """Of maps whose sides the stride divides, and does not; many images, whose gradient is in groups, and few."""
    for num in (8, 3):
        assert_equal_with_gradients(conv2d, (num, *sides, 4), size, 6, stride)
        assert_equal_with_gradients(direct_conv, (num, *sides, 6), size, 4, stride)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Conv(5, 3, stride=2), nn.Conv(5, (3, 3), 2, 1, use_bias=False, kernel_init=he_kernel)),
        (DenseOfPlaces(5), nn.Dense(5)),
        (DenseOfPlaces(5, use_bias=False, kernel_init=he_kernel), nn.Dense(5, use_bias=False, kernel_init=he_kernel)),
    ],
)
def test_layers_have_the_variables_and_outputs_of_those_of_flax(ours, theirs):
    x, key = images(8, 3), jax.random.key(0)
    variables = ours.init(key, x)
    jax.tree.map(np.testing.assert_array_equal, variables, theirs.init(key, x))
    np.testing.assert_allclose(ours.apply(variables, x), theirs.apply(variables, x), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "kernel_shape", "num_axes"),
    [
        ((6, 4), (4, 5), 1),
        ((3, 7, 4), (4, 5), 1),
        ((2, 3, 4, 5), (5, 6), 1),
        ((3, 7, 4), (4, 2, 5), 1),
        ((3, 7, 2, 4), (2, 4, 5), 2),
    ],
)
def test_a_dense_product_is_that_of_xla(shape, kernel_shape, num_axes):
    """Over places, over those of a map, and into and out of the heads of attention."""
    axes = tuple(range(len(shape) - num_axes, len(shape))), tuple(range(num_axes))
    assert_alike(dense_product, jax.lax.dot_general, shape, kernel_shape, (axes, ((), ())))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_gradients_of_a_direct_convolution_have_the_types_of_its_inputs(dtype):
    x, kernel = images(40, 8).astype(dtype), jnp.ones((3, 3, 8, 2), dtype)
    gradients = jax.grad(lambda *inputs: direct_conv(*inputs).sum(), argnums=(0, 1))(x, kernel)
    assert [gradient.dtype for gradient in gradients] == [dtype, dtype]


def num_operations(conv, shape, size):
    x, kernel = jnp.zeros(shape), jnp.zeros((size, size, shape[-1], shape[-1]))
    return jax.jit(conv).lower(x, kernel).cost_analysis()["flops"]


@pytest.mark.parametrize(("shape", "size"), [((64, 32, 32, 32), 5), ((64, 16, 16, 64), 3), ((64, 4, 4, 64), 5)])
def test_large_convolutions_multiply_less(shape, size):
    assert num_operations(conv2d, shape, size) < 0.7 * num_operations(plain_conv, shape, size)


def test_convolutions_of_single_places_multiply_no_more():
    shape = (64, 8, 8, 512)
    assert num_operations(conv2d, shape, 1) == num_operations(plain_conv, shape, 1)


def test_convolution_keeps_the_type_of_its_input():
    x, kernel = images(4, 8).astype(jnp.bfloat16), jnp.ones((5, 5, 8, 2), jnp.bfloat16)
    assert conv2d(x, kernel).dtype == jnp.bfloat16
    np.testing.assert_allclose(conv2d(x, kernel), plain_conv(x, kernel), atol=0.2)


@pytest.mark.parametrize("side", [2, 5, 8])
def test_pools_are_those_of_flax(side):
    x = images(side, 3)
    np.testing.assert_array_equal(max_pool(x), nn.max_pool(x, (2, 2), (2, 2)))
    np.testing.assert_allclose(avg_pool(x), nn.avg_pool(x, (2, 2), (2, 2)), atol=1e-6)
    ours, theirs = (
        jax.grad(lambda x: (pool(x) ** 2).sum())(x)  # noqa: B023
        for pool in (max_pool, lambda x: nn.max_pool(x, (2, 2), (2, 2)))
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_averaging_down_to_a_size():
    x = images(8, 3)
    np.testing.assert_allclose(avg_pool_to(x, 4), nn.avg_pool(x, (2, 2), (2, 2)), atol=1e-6)
    assert avg_pool_to(x, 8) is x
    uneven = avg_pool_to(images(7, 3), 4)  # windows 0-2, 1-4, 3-6, 5-7
    np.testing.assert_allclose(uneven[:, 1, 3], images(7, 3)[:, 1:4, 5:7].mean((1, 2)), atol=1e-6)


def test_conv_block_normalises_its_batch():
    block = ConvBlock(filters=5, kernel_size=3)
    variables = block.init(jax.random.key(0), images(8, 3), train=True)
    assert sorted(variables["params"]) == ["BatchNorm_0", "kernel"]
    y, updated = block.apply(variables, images(8, 3), train=True, mutable=["batch_stats"])
    assert y.min() == 0.0  # ReLU
    assert jax.tree.all(
        jax.tree.map(lambda a, b: bool((a != b).any()), updated, {"batch_stats": variables["batch_stats"]})
    )
    np.testing.assert_allclose((y > 0).mean(), 0.5, atol=0.1)
