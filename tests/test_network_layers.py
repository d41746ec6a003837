"""Network blocks against Flax's and XLA's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nas_jax.layers import ConvBlock, avg_pool, avg_pool_to, conv2d, max_pool


def images(side, channels, seed=0, num=3):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(num, side, side, channels)), jnp.float32)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize(
    ("num", "side", "filters"),
    [(3, 1, 4), (3, 2, 4), (3, 4, 4), (3, 7, 4), (3, 20, 4), (3, 20, 64), (64, 8, 32), (70, 6, 32)],
)
def test_convolution_and_its_gradients_are_those_of_xla(num, side, filters, size):
    x = images(side, 3, num=num)
    kernel = jnp.asarray(np.random.default_rng(1).normal(size=(size, size, 3, filters)), jnp.float32)
    weights = images(side, filters, seed=2, num=num)

    def plain(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    ours, theirs = (
        jax.value_and_grad(lambda *arguments: (conv(*arguments) * weights).sum(), argnums=(0, 1))(x, kernel)  # noqa: B023
        for conv in (conv2d, plain)
    )
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * float(jnp.abs(other).max()))


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
