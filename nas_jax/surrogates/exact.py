"""Exact inference with a given covariance: density, factorisation (on the host) and predictions (compiled).

Rasmussen & Williams, "Gaussian Processes for Machine Learning" (2006): equations 2.25, 2.26, 5.8 and 5.9.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.linalg import lapack

from nas_jax.surrogates.hyperparameters import Array, Hyperparameters
from nas_jax.surrogates.linalg import cholesky_and_inverse, gram_of_lower
from nas_jax.surrogates.padding import Rows

# In signal variances; with the last no factorisation fails.
_JITTERS = (0.0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0)


class Factorisation(NamedTuple):
    """What predictions need of n training rows."""

    inverse_factor: Float[np.ndarray, "n n"]  # inverse of the lower Cholesky factor of the covariance of the targets
    weights: Float[np.ndarray, " n"]  # inverse covariance times targets
    log_likelihood: float
    noise_variance: float  # that of every row, and what had to be added for a factor to exist


def covariance_of_targets(correlation: Float[Array, "p p"], found: Hyperparameters, rows: Rows) -> Float[Array, "p p"]:
    """Signal and noise of real rows; padding rows have unit variance and covary with none."""
    diagonal = jnp.where(rows.is_real, found.noise_variance + rows.noise_variance, 1.0)
    return _masked(found.signal_variance * correlation, rows) + jnp.diag(diagonal)


def _masked(covariance: Float[Array, "p p"], rows: Rows) -> Float[Array, "p p"]:
    return jnp.where(rows.is_real[:, None] & rows.is_real[None, :], covariance, 0.0)


@jax.custom_vjp
def log_density(covariance: Float[Array, "p p"], rows: Rows) -> Float[Array, ""]:
    """log N(y; 0, covariance) of the real rows, in nats (eq. 5.8).

    The gradient is (w w' - K^-1) / 2 (eq. 5.9), and -w by the targets: the Cholesky factor itself is never
    differentiated. Of the rows only the targets have a gradient.
    """
    return _density_of(covariance, rows)[0]


def _density_of(covariance, rows):
    """The log density, the inverse of the Cholesky factor, and the inverse covariance times the targets."""
    _, inverse_factor = cholesky_and_inverse(covariance)
    whitened = inverse_factor @ rows.y
    log_determinant = -2.0 * jnp.sum(jnp.log(jnp.diag(inverse_factor)))
    num_rows = jnp.sum(rows.is_real)
    density = -0.5 * (whitened @ whitened + log_determinant + num_rows * jnp.log(2 * jnp.pi))
    return density, inverse_factor, inverse_factor.T @ whitened


def _forward(covariance, rows):
    density, inverse_factor, weights = _density_of(covariance, rows)
    return density, (0.5 * (weights[:, None] * weights[None, :] - gram_of_lower(inverse_factor)), -weights)


def _backward(slopes, pull):
    by_covariance, by_targets = slopes
    none: Any = None
    return pull * by_covariance, Rows(none, pull * by_targets, none, none)


log_density.defvjp(_forward, _backward)


def factorise(correlation: Float[Array, "p p"], found: Hyperparameters, rows: Rows) -> Factorisation:
    """Conditions on the n real rows. Noise grows until the covariance can be factorised; else all results are NaN.

    Runs once a fit, so by LAPACK on the host: nothing is compiled, and nothing need be padded.
    """
    num_rows = int(np.sum(rows.is_real))
    signal_variance, known_noise = float(found.signal_variance), np.asarray(rows.noise_variance)[:num_rows]
    signal, y = signal_variance * np.asarray(correlation)[:num_rows, :num_rows], np.asarray(rows.y)[:num_rows]
    inverse_factor, noise_variance = np.full_like(signal, np.nan), np.nan
    for jitter in _JITTERS:
        noise_variance = float(found.noise_variance) + jitter * signal_variance
        factor, failed_at = lapack.dpotrf(signal + np.diag(noise_variance + known_noise), lower=True)
        if not failed_at:
            inverse_factor = np.ascontiguousarray(lapack.dtrtri(factor, lower=True)[0])
            break
    whitened = inverse_factor @ y
    log_determinant = -2.0 * np.sum(np.log(np.diag(inverse_factor)))
    density = -0.5 * (whitened @ whitened + log_determinant + num_rows * np.log(2 * np.pi))
    return Factorisation(inverse_factor, inverse_factor.T @ whitened, float(density), noise_variance)


def marginals(
    inverse_factor: Float[Array, "p p"],
    weights: Float[Array, " p"],
    covariance: Float[Array, "p m"],
    signal_variance: Float[Array, ""],
) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
    """Mean and variance at each of m points (eqs. 2.25 and 2.26), from their covariance with the training rows."""
    explained = inverse_factor @ covariance
    return weights @ covariance, jnp.maximum(signal_variance - jnp.sum(explained**2, axis=0), 0.0)


def joint(
    inverse_factor: Float[Array, "p p"],
    weights: Float[Array, " p"],
    between: Float[Array, "p q"],
    within: Float[Array, "q q"],
    signal_variance: Float[Array, ""],
    queries: Rows,
) -> tuple[Float[Array, " q"], Float[Array, "q q"]]:
    """Mean, and a Cholesky factor of the covariance, at q points together (eqs. 2.23 and 2.24).

    Args:
        between: Covariance of training rows and queries.
        within: Covariance of queries.
    """
    explained = inverse_factor @ between
    covariance = _masked(within - explained.T @ explained, queries)

    def attempt(jitter):
        return jnp.linalg.cholesky(covariance + jitter * signal_variance * jnp.eye(covariance.shape[0]))

    return weights @ between, _first_finite(attempt, jnp.sum)


def _first_finite(attempt: Callable[[jax.Array], Any], summary: Callable[[Any], jax.Array]) -> Any:
    """The result of the first jitter that has a finite summary, or of the last jitter."""
    jitters = jnp.asarray(_JITTERS)

    def has_failed(carry):
        number, result = carry
        return ~jnp.isfinite(summary(result)) & (number < len(_JITTERS))

    def advance(carry):
        number, _ = carry
        return number + 1, attempt(jitters[number])

    failed = jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), jax.eval_shape(attempt, jitters[0]))
    return jax.lax.while_loop(has_failed, advance, (0, failed))[1]
