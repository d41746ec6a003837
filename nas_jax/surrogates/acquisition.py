"""Acquisition functions: how promising each of m points is, judged from the posterior there; higher is better.

`best` is a scalar, the highest target so far; a vector in its place is a ValueError. Everything is pure, differentiable
and compiled once for each m; results are vectors `[m]` of the posterior's dtype, in which all is computed. To rank
points, take a logarithm: it still tells hopeless points apart, where the plain value is zero for them all.

Improvements count deviations below 1e-19 as 1e-19, and more than 1e19 of them as 1e19, in float32; in float64 the
bounds are 1e-154 and 1e154.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jax.typing import ArrayLike
from jaxtyping import Float

from nas_jax.surrogates.base import Posterior

# Further left than this the tail of the Gaussian comes from a continued fraction, whose first 58 terms float64 needs
# here; nearer, cancellation costs at most one digit.
_FAR, _NUM_TERMS = -3.0, 58


def _in_its_precision(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Lets JAX compute in float64 where the posterior is of that type, whatever the rest of the program uses."""

    @functools.wraps(function)
    def precise(posterior: Posterior, *args: ArrayLike, **kwargs: ArrayLike) -> jax.Array:
        if posterior.mean.dtype != np.float64:
            return function(posterior, *args, **kwargs)
        with jax.enable_x64(True):
            return function(posterior, *args, **kwargs)

    return precise


@_in_its_precision
@jax.jit
def expected_improvement(posterior: Posterior, best: ArrayLike) -> Float[jax.Array, " m"]:
    """E[max(y - best, 0)], in units of the targets (Jones, Schonlau & Welch 1998, eq. 15).

    Exactly zero in float32 from about 13 deviations below `best`: rank by the logarithm.
    """
    return jnp.exp(log_expected_improvement(posterior, best))


@_in_its_precision
@jax.jit
def log_expected_improvement(posterior: Posterior, best: ArrayLike) -> Float[jax.Array, " m"]:
    """Logarithm of the expected improvement (Ament et al. 2023, "Unexpected Improvements to Expected Improvement").

    Finite however far `mean` is below `best`; there it falls with the square of the distance in deviations, and its
    gradients still point the way.
    """
    improvement, std, z = _standardise(posterior, best)
    is_above = z > 0
    log_h = _log_h(jnp.where(is_above, -z, z))
    expected = jnp.where(is_above, improvement, 1) + std * jnp.exp(log_h)  # h(z) = z + h(-z)
    return jnp.where(is_above, jnp.log(expected), jnp.log(std) + log_h)


@_in_its_precision
@jax.jit
def probability_of_improvement(posterior: Posterior, best: ArrayLike) -> Float[jax.Array, " m"]:
    """P[y > best] (Kushner 1964), between 0 and 1; zero in float32 from about 13 deviations below `best`."""
    return jnp.exp(log_probability_of_improvement(posterior, best))


@_in_its_precision
@jax.jit
def log_probability_of_improvement(posterior: Posterior, best: ArrayLike) -> Float[jax.Array, " m"]:
    """Logarithm of the probability of improvement; finite however far `mean` is below `best`."""
    _, _, z = _standardise(posterior, best)
    is_far, near, far = _split(z)
    log_far = norm.logpdf(far) - jnp.log(-far + 1 / _tail_ratio(far))
    log_near = jnp.where(near > 0, jnp.log1p(-norm.cdf(-jnp.abs(near))), jnp.log(norm.cdf(near)))
    return jnp.where(is_far, log_far, log_near)


@_in_its_precision
@jax.jit
def upper_confidence_bound(posterior: Posterior, beta: ArrayLike) -> Float[jax.Array, " m"]:
    """mean + sqrt(beta) std, in units of the targets (GP-UCB: Srinivas et al. 2010, algorithm 1); beta is not negative.

    beta = 4 is two deviations of optimism.
    """
    return posterior.mean + jnp.sqrt(_scalar(beta, posterior)) * posterior.std


@_in_its_precision
@functools.partial(jax.jit, static_argnames="num")
def thompson_draws(posterior: Posterior, key: jax.Array, num: int) -> Float[jax.Array, "num m"]:
    """Independent draws from each point's own Gaussian, in units of the targets.

    Neighbours do not vary together, so that the best of many similar points is too optimistic; a Gaussian process
    draws whole functions with its `sample`.
    """
    noise = jax.random.normal(key, (num, *posterior.mean.shape), posterior.mean.dtype)
    return posterior.mean[None, :] + posterior.std[None, :] * noise


def _standardise(posterior: Posterior, best: ArrayLike) -> tuple[jax.Array, jax.Array, jax.Array]:
    """mean - best, the deviation, and their ratio z, so bounded that std² does not vanish nor z² overflow."""
    limits = jnp.finfo(posterior.mean.dtype)
    std = jnp.maximum(posterior.std, float(limits.tiny) ** 0.5)
    improvement = posterior.mean - _scalar(best, posterior)
    bound = 0.5 * float(limits.max) ** 0.5
    return improvement, std, jnp.clip(improvement / std, -bound, bound)


def _scalar(value: ArrayLike, posterior: Posterior) -> jax.Array:
    if jnp.ndim(value) != 0:
        raise ValueError(f"best and beta must be scalars, got shape {jnp.shape(value)}")
    return jnp.asarray(value, posterior.mean.dtype)


def _log_h(z: jax.Array) -> jax.Array:
    """log(φ(z) + zΦ(z)) for z <= 0: the log expected improvement of a standard Gaussian over -z."""
    is_far, near, far = _split(z)
    log_near = jnp.log(norm.pdf(near) + near * norm.cdf(near))
    return jnp.where(is_far, norm.logpdf(far) - jnp.log1p(-far * _tail_ratio(far)), log_near)


def _split(z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Whether z is far left, and z twice: to compute either branch harmlessly, gradients too, where it is not taken."""
    is_far = z < _FAR
    return is_far, jnp.where(is_far, _FAR, z), jnp.where(is_far, z, _FAR)


def _tail_ratio(z: jax.Array) -> jax.Array:
    """Φ(z) / (φ(z) + zΦ(z)) for z <= -3 as x + 2/(x + 3/(x + 4/(x + ...))), x = -z.

    Follows from the fraction of the Gaussian tail, Φ(z) = φ(z)/(x + 1/(x + 2/(x + ...))) (Abramowitz & Stegun 26.2.14).
    Only positive terms: nothing cancels.
    """
    ratio = -z
    for term in range(_NUM_TERMS, 1, -1):
        ratio = -z + term / ratio
    return ratio
