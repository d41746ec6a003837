"""A Cholesky factor together with its inverse, by halves, so that nearly all the work is products of matrices.

The gradient of a Gaussian's log density needs the whole inverse, and so that of the factor. Solving
against the identity costs six times the factorisation, because it ignores that half of every triangle is zero.
Below, most of those zeros are never multiplied, and no large matrix goes to LAPACK, whose threads stall where
processes share the cores.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

_LEAF = 64  # rows that LAPACK factorises; halves are multiples of it


def cholesky_and_inverse(matrix: Float[jax.Array, "n n"]) -> tuple[Float[jax.Array, "n n"], Float[jax.Array, "n n"]]:
    """The lower Cholesky factor L of a symmetric positive definite matrix, and the inverse of L.

    With blocks A, B' and C of the matrix: L11 = chol(A), L21 = B L11^-T and L22 = chol(C - L21 L21'), and the
    inverse of L has the blocks L11^-1, -L22^-1 L21 L11^-1 and L22^-1. NaN where the matrix is not positive definite.
    """
    size = matrix.shape[0]
    if size <= _LEAF:
        factor = jnp.linalg.cholesky(matrix)
        return factor, jax.scipy.linalg.solve_triangular(factor, jnp.eye(size, dtype=matrix.dtype), lower=True)
    half = _half(size)
    factor_1, inverse_1 = cholesky_and_inverse(matrix[:half, :half])
    below = matrix[half:, :half] @ inverse_1.T
    factor_2, inverse_2 = cholesky_and_inverse(matrix[half:, half:] - below @ below.T)
    inverse_below = -inverse_2 @ (below @ inverse_1)
    return _lower(factor_1, below, factor_2), _lower(inverse_1, inverse_below, inverse_2)


def gram_of_lower(lower: Float[jax.Array, "n n"]) -> Float[jax.Array, "n n"]:
    """L'L of a lower triangular L. Where L is the inverse of a Cholesky factor this is the inverse matrix."""
    size = lower.shape[0]
    if size <= _LEAF:
        return lower.T @ lower
    half = _half(size)
    first, below, second = lower[:half, :half], lower[half:, :half], lower[half:, half:]
    corner = below.T @ second
    return jnp.block([[gram_of_lower(first) + below.T @ below, corner], [corner.T, gram_of_lower(second)]])


def _half(size: int) -> int:
    return -(-size // (2 * _LEAF)) * _LEAF


def _lower(first: jax.Array, below: jax.Array, second: jax.Array) -> jax.Array:
    return jnp.block([[first, jnp.zeros_like(below).T], [below, second]])
