"""A draw from the posterior of how relevant features are: of lengthscales relative to a common one.

Optimised lengthscales of single features overfit few points, and a search that repeats itself with them gets stuck;
draws differ as far as the data leave room. Elliptical slice sampling (Murray, Adams & MacKay, AISTATS 2010, figure 2)
has nothing to tune and differentiates nothing: coordinates are standard normal under the prior. Noise and a common
lengthscale are drawn along, and the signal variance is integrated out (as in `posterior_draw.py`); a caller draws these
three anew given the relevances. One program, compiled once for each padded size.

Half of all draws have one lengthscale for all: which of the two views is right, few points cannot tell, and a search
that holds either for good can be wrong about it for good (`experiments/search_benchmark`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from nas_jax.surrogates.kernels import correlation
from nas_jax.surrogates.padding import Rows, pad
from nas_jax.surrogates.precision import in_double_precision

LOG_LENGTHSCALE = (float(np.log(1.5)), 1.0)  # mean and deviation, in units of sqrt(d)
LOG_NOISE_RATIO = (float(np.log(0.03)), 1.5)  # of the noise variance over the signal variance
SIGNAL_PRIOR = (1.0, 1.0)  # shape and scale of the inverse gamma
_SPREAD = 0.7  # deviation of a log-lengthscale around the common one, for each of its loadings
_EQUAL = 0.5  # probability that all factors are one
_NUM_STEPS = 40
_MAX_ROWS = 128  # a step costs a few factorisations; what many rows tell of relevances, these tell too
_MAX_ATTEMPTS = 40


class Randomness(NamedTuple):
    """All that a chain of t steps draws, made outside of its program: JAX's generators take longest to compile."""

    ellipses: Float[np.ndarray, "t k"]
    thresholds: Float[np.ndarray, " t"]  # in (0, 1]
    angles: Float[np.ndarray, "t a"]  # in [0, 1): the first angle, and the place in each smaller bracket


class _Walk(NamedTuple):
    """A state, and the bracket of angles that is left of the ellipse through it."""

    step: Int[jax.Array, ""]
    attempt: Int[jax.Array, ""]
    z: Float[jax.Array, " k"]
    log_likelihood: Float[jax.Array, ""]
    angle: Float[jax.Array, ""]  # the next to try
    low: Float[jax.Array, ""]
    high: Float[jax.Array, ""]


def draw_relevances(
    key: jax.Array,
    kernel: Any,
    num_varying: int,
    loadings: Float[np.ndarray, "d k"],
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " d"]:
    """Factors of the lengthscale of each feature, around one, given scaled inputs and standardised targets.

    Features whose rows of `loadings` are equal have equal factors. Of more than 128 rows, a random 128 are looked at.
    """
    rng = np.random.default_rng(int(jax.random.bits(key)))
    if rng.random() < _EQUAL:
        return np.ones(x.shape[1])
    if len(y) > _MAX_ROWS:
        chosen = np.sort(rng.choice(len(y), _MAX_ROWS, replace=False))
        x, y = x[chosen], y[chosen]
    log_lengthscale = np.asarray(LOG_LENGTHSCALE[0] + 0.5 * np.log(max(1, num_varying)))
    rows = pad(x, y, np.zeros(len(y)))
    random = _randomness(rng, _NUM_STEPS, 2 + loadings.shape[1])
    return np.exp(in_double_precision(_departures, kernel, rows, loadings, log_lengthscale, random))


def _randomness(rng: np.random.Generator, num_steps: int, num_coordinates: int) -> Randomness:
    ellipses = rng.standard_normal((num_steps, num_coordinates))
    return Randomness(ellipses, 1.0 - rng.random(num_steps), rng.random((num_steps, _MAX_ATTEMPTS)))


@jax.jit
def _departures(kernel, rows, loadings, log_lengthscale, random):
    """Logarithms of the factors at the end of a chain."""
    log_likelihood = partial(_log_likelihood, kernel, rows, loadings, log_lengthscale)
    return _SPREAD * loadings @ elliptical_slice(log_likelihood, random)[2:]


def elliptical_slice(
    log_likelihood: Callable[[Float[jax.Array, " k"]], Float[jax.Array, ""]], random: Randomness
) -> Float[jax.Array, " k"]:
    """The end of a chain whose transitions leave a posterior with a standard normal prior as it is.

    The bracket of angles shrinks around the present state until a point of the ellipse is likely enough; after 40
    attempts, which only rounding can bring about, the state stays. The first state is the prior's mode.
    """
    num_steps, random = len(random.thresholds), jax.tree.map(jnp.asarray, random)
    mode = jnp.zeros(random.ellipses.shape[1])
    start = _on_ellipse(random, jnp.asarray(0), mode, log_likelihood(mode))

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


def _log_likelihood(kernel, rows: Rows, loadings, log_lengthscale, z):
    """log p(y | noise ratio, lengthscales) but for a constant; minus infinity where there is no factorisation.

    As in `posterior_draw._grid_densities`: p(y) ~ |C|^(-1/2) (b + y' C^-1 y / 2)^-(a + n/2).
    """
    prior_shape, prior_scale = SIGNAL_PRIOR
    ratio = jnp.exp(LOG_NOISE_RATIO[0] + LOG_NOISE_RATIO[1] * z[0])
    lengthscales = jnp.exp(log_lengthscale + LOG_LENGTHSCALE[1] * z[1] + _SPREAD * loadings @ z[2:])
    matrix = correlation(kernel, lengthscales, jnp.zeros(0), rows.x, rows.x)
    is_pair = rows.is_real[:, None] & rows.is_real[None, :]
    matrix = jnp.where(is_pair, matrix, 0.0) + jnp.diag(jnp.where(rows.is_real, ratio, 1.0))
    factor = jnp.linalg.cholesky(matrix)
    whitened = jax.scipy.linalg.solve_triangular(factor, rows.y, lower=True)
    scale = prior_scale + 0.5 * whitened @ whitened
    power = prior_shape + 0.5 * jnp.sum(rows.is_real)
    value = -jnp.sum(jnp.log(jnp.diag(factor))) - power * jnp.log(scale)
    return jnp.where(jnp.isfinite(value), value, -jnp.inf)
