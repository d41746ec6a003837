"""The programs of a Gaussian process, most of them compiled: once for each padded size and kernel."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from nas_jax.surrogates import exact
from nas_jax.surrogates.hyperparameters import Array, Hyperparameters, Prior, hyperparameters, num_coordinates
from nas_jax.surrogates.kernels import correlation
from nas_jax.surrogates.lbfgs import minimise
from nas_jax.surrogates.means import values_of
from nas_jax.surrogates.padding import Rows


class Observed(NamedTuple):
    """What hyperparameters are sought for: the kernel, the padded rows, the prior, and the mean function."""

    kernel: Any
    rows: Rows
    prior: Prior
    mean: Any


class Conditioned(NamedTuple):
    """A process with its hyperparameters and its padded rows, which have the weights in place of the targets."""

    kernel: Any
    found: Hyperparameters
    rows: Rows
    inverse_factor: Float[Any, "p p"]
    mean: Any


@partial(jax.jit, static_argnames=("num_groups", "num_shapes"))
def fit(
    number: Int[Any, ""],
    observed: Observed,
    key: jax.Array,
    max_evaluations: Int[Any, ""],
    *,
    num_groups: int,
    num_shapes: int,
) -> tuple[Float[Array, ""], Hyperparameters]:
    """The search from one start: number 0 is the prior mode, all others are draws of the prior.

    Returns:
        The negative log posterior density, and the hyperparameters, at the end of the search.
    """
    size = num_coordinates(observed.prior, num_groups, num_shapes)
    draw = jax.random.normal(jax.random.fold_in(key, number), (size,), jnp.float64)
    cost = partial(negative_log_posterior, observed=observed, num_shapes=num_shapes)
    start = jnp.where(number == 0, 0.0, draw)
    end, density = minimise(jax.value_and_grad(cost), start, max_evaluations=max_evaluations)
    return density, hyperparameters(observed.prior, end, num_shapes)


def negative_log_posterior(z: Float[jax.Array, " k"], observed: Observed, num_shapes: int) -> Float[Array, ""]:
    """What a fit minimises over coordinates `z`, in nats: minus the log posterior density, up to a constant."""
    kernel, rows, prior, mean = observed
    found = hyperparameters(prior, z, num_shapes)
    covariance = exact.covariance_of_targets(_correlation(kernel, found, rows.x, rows.x), found, rows)
    return 0.5 * z @ z - exact.log_density(covariance, _residuals(mean, found, rows))


@jax.jit
def correlation_of_rows(
    kernel: Any, lengthscales: Float[Array, " d"], shape: Float[Array, " s"], x: Float[Array, "p d"]
) -> Float[Array, "p p"]:
    """The kernel between all pairs of rows, with these lengthscales and unit variance."""
    return correlation(kernel, lengthscales, shape, x, x)


@jax.jit
def residuals_of_rows(mean: Any, found: Hyperparameters, rows: Rows) -> Float[Array, " p"]:
    """Targets less the mean function; zero for padding rows."""
    return _residuals(mean, found, rows).y


def factorise(kernel: Any, mean: Any, found: Hyperparameters, rows: Rows) -> exact.Factorisation:
    """Conditions on the rows with given hyperparameters. Only the kernel and the mean function are compiled."""
    rows = rows._replace(y=residuals_of_rows(mean, found, rows))
    return exact.factorise(correlation_of_rows(kernel, found.lengthscales, found.shape, rows.x), found, rows)


@jax.jit
def predict(queries: Float[Any, "m d"], conditioned: Conditioned) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
    """Marginal means and variances."""
    _, found, rows, inverse_factor, mean = conditioned
    centre, variance = exact.marginals(inverse_factor, rows.y, _between(conditioned, queries), found.signal_variance)
    return values_of(mean, found.mean, queries) + centre, variance


@partial(jax.jit, static_argnames="num")
def sample(queries: Rows, conditioned: Conditioned, key: jax.Array, *, num: int) -> Float[Array, "s m"]:
    """Joint draws at the queries."""
    kernel, found, rows, inverse_factor, mean = conditioned
    between = _between(conditioned, queries.x)
    within = found.signal_variance * _correlation(kernel, found, queries.x, queries.x)
    centre, spread = exact.joint(inverse_factor, rows.y, between, within, found.signal_variance, queries)
    centre = values_of(mean, found.mean, queries.x) + centre
    return centre[None, :] + jax.random.normal(key, (num, centre.shape[0]), centre.dtype) @ spread.T


def _residuals(mean, found, rows):
    return rows._replace(y=jnp.where(rows.is_real, rows.y - values_of(mean, found.mean, rows.x), 0.0))


def _between(conditioned, queries):
    """Padding rows are in it: they weigh nothing, and the inverse factor does not look at them."""
    kernel, found, rows, *_ = conditioned
    return found.signal_variance * _correlation(kernel, found, rows.x, queries)


def _correlation(kernel, found, x, z):
    return correlation(kernel, found.lengthscales, found.shape, x, z)
