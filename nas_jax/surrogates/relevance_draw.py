"""Draws from the posterior of all hyperparameters together, where each feature may have a lengthscale of its own.

Optimised lengthscales of single features overfit few points, and a search that repeats itself with them gets stuck;
draws differ as far as the data leave room. Elliptical slice sampling (Murray, Adams & MacKay, AISTATS 2010, figure 2)
has nothing to tune and differentiates nothing: coordinates are standard normal under the prior. The signal variance is
integrated out (as in `posterior_draw.py`), and drawn last. One program, compiled once for each padded size.

The chain starts at the prior's mode, with one lengthscale for all, and is short: its first draws are still near to
there. Which of the two views is right few points cannot tell, and predictions that average over the way from the one to
the other hold more often what they say than those from its end (`experiments/search_benchmark`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from nas_jax.surrogates.hyperparameters import Hyperparameters
from nas_jax.surrogates.kernels import correlation
from nas_jax.surrogates.padding import Rows, pad
from nas_jax.surrogates.precision import in_double_precision
from nas_jax.surrogates.randomness import generator_of

LOG_LENGTHSCALE = (float(np.log(1.5)), 1.0)  # mean and deviation, in units of sqrt(d)
LOG_NOISE_RATIO = (float(np.log(0.03)), 1.5)  # of the noise variance over the signal variance
SIGNAL_PRIOR = (1.0, 1.0)  # shape and scale of the inverse gamma
_SPREAD = 0.7  # deviation of a log-lengthscale around the common one, for each of its loadings
_NUM_STEPS = 15  # from one draw to the next
_MAX_ROWS = 128  # a step costs a few factorisations; what many rows tell of lengthscales, these tell too
_MAX_ATTEMPTS = 40


class Randomness(NamedTuple):
    """What k draws take, t steps each, made outside of their program: JAX's generators take longest to compile."""

    ellipses: Float[np.ndarray, "k t c"]
    thresholds: Float[np.ndarray, "k t"]  # in (0, 1]
    angles: Float[np.ndarray, "k t a"]  # in [0, 1): the first angle, and the place in each smaller bracket


class _Walk(NamedTuple):
    """A state, and the bracket of angles that is left of the ellipse through it."""

    step: Int[jax.Array, ""]
    attempt: Int[jax.Array, ""]
    z: Float[jax.Array, " c"]
    log_likelihood: Float[jax.Array, ""]
    angle: Float[jax.Array, ""]  # the next to try
    low: Float[jax.Array, ""]
    high: Float[jax.Array, ""]


def draw_with_relevances(
    key: jax.Array,
    kernel: Any,
    num_varying: int,
    loadings: Float[np.ndarray, "d c"],
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    num: int,
) -> list[Hyperparameters]:
    """`num` draws of one chain, the last first, given scaled inputs and standardised targets.

    Features whose rows of `loadings` are equal have equal lengthscales. Of more than 128 rows, a random 128 are looked
    at.
    """
    rng = generator_of(key)
    if len(y) > _MAX_ROWS:
        chosen = np.sort(rng.choice(len(y), _MAX_ROWS, replace=False))
        x, y = x[chosen], y[chosen]
    log_lengthscale = np.asarray(LOG_LENGTHSCALE[0] + 0.5 * np.log(max(1, num_varying)))
    random = _randomness(rng, num, 2 + loadings.shape[1])
    rows = pad(x, y, np.zeros(len(y)))
    drawn = in_double_precision(_draws, kernel, rows, loadings, log_lengthscale, random)
    signal_variances = drawn.scale / rng.gamma(SIGNAL_PRIOR[0] + 0.5 * len(y), size=num)
    return [
        Hyperparameters(lengthscales, np.asarray(signal), np.asarray(signal * ratio), np.zeros(0))
        for lengthscales, signal, ratio in zip(drawn.lengthscales, signal_variances, drawn.noise_ratio, strict=True)
    ][::-1]


def _randomness(rng: np.random.Generator, num: int, num_coordinates: int) -> Randomness:
    ellipses = rng.standard_normal((num, _NUM_STEPS, num_coordinates))
    return Randomness(ellipses, 1.0 - rng.random((num, _NUM_STEPS)), rng.random((num, _NUM_STEPS, _MAX_ATTEMPTS)))


class _Drawn(NamedTuple):
    """A draw without its signal variance, or several."""

    lengthscales: Float[jax.Array, "*k d"]
    noise_ratio: Float[jax.Array, "*k"]  # of the noise variance over the signal variance
    scale: Float[jax.Array, "*k"]  # of the signal variance's posterior


@jax.jit
def _draws(kernel, rows, loadings, log_lengthscale, random):
    """What a chain has reached after each 15 steps."""

    def log_likelihood(z):
        return _density_of(kernel, rows, _coordinates(loadings, log_lengthscale, z))[0]

    def go_on(z, random):
        z = elliptical_slice(log_likelihood, random, z)
        lengthscales, ratio = _coordinates(loadings, log_lengthscale, z)
        return z, _Drawn(lengthscales, ratio, _density_of(kernel, rows, (lengthscales, ratio))[1])

    mode = jnp.zeros(2 + loadings.shape[1])
    return jax.lax.scan(go_on, mode, jax.tree.map(jnp.asarray, random))[1]


def elliptical_slice(
    log_likelihood: Callable[[Float[jax.Array, " c"]], Float[jax.Array, ""]], random: Randomness, z: jax.Array
) -> Float[jax.Array, " c"]:
    """The end of a chain from `z` on, whose transitions leave a posterior with a standard normal prior as it is.

    `random` is that of one draw. The bracket of angles shrinks around the present state until a point of the ellipse is
    likely enough; after 40 attempts, which only rounding can bring about, the state stays.
    """
    num_steps = len(random.thresholds)
    start = _on_ellipse(random, jnp.asarray(0), z, log_likelihood(z))

    def attempt(walk):
        other, threshold = random.ellipses[walk.step], random.thresholds[walk.step]
        z = walk.z * jnp.cos(walk.angle) + other * jnp.sin(walk.angle)
        value = log_likelihood(z)
        is_found = value > walk.log_likelihood + jnp.log(threshold)
        z, value = jnp.where(is_found, z, walk.z), jnp.where(is_found, value, walk.log_likelihood)
        onward, narrower = _on_ellipse(random, walk.step + 1, z, value), _shrunk(random, walk)
        is_over = is_found | (narrower.attempt == _MAX_ATTEMPTS)
        return jax.tree.map(lambda new, old: jnp.where(is_over, new, old), onward, narrower)

    return jax.lax.while_loop(lambda walk: walk.step < num_steps, attempt, start).z


def _on_ellipse(random, step, z, log_likelihood):
    """At the first angle of a step. Beyond the last step the numbers are those of the last, and nobody looks."""
    angle = 2 * jnp.pi * random.angles[step, 0]
    return _Walk(step, jnp.asarray(0), z, log_likelihood, angle, angle - 2 * jnp.pi, angle)


def _shrunk(random, walk):
    """The bracket without the angles beyond the one that was tried, and a place in it."""
    low, high = jnp.where(walk.angle < 0, walk.angle, walk.low), jnp.where(walk.angle < 0, walk.high, walk.angle)
    angle = low + (high - low) * random.angles[walk.step, walk.attempt + 1]
    return walk._replace(attempt=walk.attempt + 1, angle=angle, low=low, high=high)


def _coordinates(loadings, log_lengthscale, z):
    """Lengthscales and the noise ratio, from coordinates that are standard normal under the prior."""
    common = log_lengthscale + LOG_LENGTHSCALE[1] * z[1]
    return jnp.exp(common + _SPREAD * loadings @ z[2:]), jnp.exp(LOG_NOISE_RATIO[0] + LOG_NOISE_RATIO[1] * z[0])


def _density_of(kernel, rows: Rows, found):
    """log p(y | lengthscales, noise ratio) but for a constant, and the scale of the signal variance's posterior.

    As in `posterior_draw._grid_densities`: p(y) ~ |C|^(-1/2) (b + y' C^-1 y / 2)^-(a + n/2), and b + y' C^-1 y / 2 is
    the scale. The logarithm is minus infinity where there is no factorisation.
    """
    prior_shape, prior_scale = SIGNAL_PRIOR
    lengthscales, ratio = found
    matrix = correlation(kernel, lengthscales, jnp.zeros(0), rows.x, rows.x)
    is_pair = rows.is_real[:, None] & rows.is_real[None, :]
    matrix = jnp.where(is_pair, matrix, 0.0) + jnp.diag(jnp.where(rows.is_real, ratio, 1.0))
    factor = jnp.linalg.cholesky(matrix)
    whitened = jax.scipy.linalg.solve_triangular(factor, rows.y, lower=True)
    scale = prior_scale + 0.5 * whitened @ whitened
    power = prior_shape + 0.5 * jnp.sum(rows.is_real)
    value = -jnp.sum(jnp.log(jnp.diag(factor))) - power * jnp.log(scale)
    return jnp.where(jnp.isfinite(value), value, -jnp.inf), scale
