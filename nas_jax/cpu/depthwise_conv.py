"""The convolution of each channel with its own filter, in a form that is fast on a CPU."""

from functools import reduce

import jax
import jax.numpy as jnp


def depthwise_on_cpu(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Images `[b, h, w, c]` with a kernel `[k, k, 1, c]`, padded by half of its side: a sum of shifted products.

    XLA's grouped convolution takes several times as long on a CPU.
    """
    side, pad = kernel.shape[0], kernel.shape[0] // 2
    _, height, width, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    products = (
        padded[:, i : i + height : stride, j : j + width : stride] * kernel[i : i + 1, j : j + 1]
        for i in range(side)
        for j in range(side)
    )
    return reduce(jnp.add, products)
