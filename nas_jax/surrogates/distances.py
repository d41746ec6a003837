"""Squared distances between two sets of points, in two ways that differ in rounding and in speed.

Their gradient is two products of matrices either way: there, rounding does no harm.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.custom_vjp
def squared_distances(x: Float[jax.Array, "n d"], z: Float[jax.Array, "m d"]) -> Float[jax.Array, "n m"]:
    """Sums squares of differences: exactly zero for equal points."""
    return jnp.sum((x[:, None, :] - z[None, :, :]) ** 2, axis=-1)


@jax.custom_vjp
def product_squared_distances(x: Float[jax.Array, "n d"], z: Float[jax.Array, "m d"]) -> Float[jax.Array, "n m"]:
    """Expands the squares into one product of matrices, several times as fast.

    The error is that of rounding a point's own squared norm, and never makes a distance negative.
    """
    x_squares, z_squares = jnp.sum(x**2, axis=1), jnp.sum(z**2, axis=1)
    return jnp.maximum(x_squares[:, None] + z_squares[None, :] - 2.0 * x @ z.T, 0.0)


def _backward(points, pull):
    x, z = points
    pull_x = 2.0 * (jnp.sum(pull, axis=1)[:, None] * x - pull @ z)
    pull_z = 2.0 * (jnp.sum(pull, axis=0)[:, None] * z - pull.T @ x)
    return pull_x, pull_z


squared_distances.defvjp(lambda x, z: (squared_distances(x, z), (x, z)), _backward)
product_squared_distances.defvjp(lambda x, z: (product_squared_distances(x, z), (x, z)), _backward)
