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
from nas_jax.surrogates.padding import Rows


class Observed(NamedTuple):
    """What hyperparameters are sought for: the kernel, the padded rows, and the prior."""

    kernel: Any
    rows: Rows
    prior: Prior


class Conditioned(NamedTuple):
    """A process with its hyperparameters and its padded rows, which have the weights in place of the targets."""

    kernel: Any
    found: Hyperparameters
    rows: Rows
    inverse_factor: Float[Any, "p p"]


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
    draw = jax.random.normal(jax.random.fold_in(key, number), (num_coordinates(num_groups, num_shapes),), jnp.float64)
    cost = partial(negative_log_posterior, observed=observed, num_shapes=num_shapes)
    start = jnp.where(number == 0, 0.0, draw)
    end, density = minimise(jax.value_and_grad(cost), start, max_evaluations=max_evaluations)
    return density, hyperparameters(observed.prior, end, num_shapes)


def negative_log_posterior(z: Float[jax.Array, " k"], observed: Observed, num_shapes: int) -> Float[Array, ""]:
    """What a fit minimises over coordinates `z`, in nats: minus the log posterior density, up to a constant."""
    kernel, rows, prior = observed
    found = hyperparameters(prior, z, num_shapes)
    covariance = exact.covariance_of_targets(_correlation(kernel, found, rows.x, rows.x), found, rows)
    return 0.5 * z @ z - exact.log_density(covariance, rows)


@jax.jit
def correlation_of_rows(
    kernel: Any, lengthscales: Float[Array, " d"], shape: Float[Array, " s"], x: Float[Array, "p d"]
) -> Float[Array, "p p"]:
    """The kernel between all pairs of rows, with these lengthscales and unit variance."""
    return correlation(kernel, lengthscales, shape, x, x)


def factorise(kernel: Any, found: Hyperparameters, rows: Rows) -> exact.Factorisation:
    """Conditions on the rows with given hyperparameters. Only the kernel is compiled."""
    return exact.factorise(correlation_of_rows(kernel, found.lengthscales, found.shape, rows.x), found, rows)


@jax.jit
def predict(queries: Float[Any, "m d"], conditioned: Conditioned) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
    """Marginal means and variances."""
    _, found, rows, inverse_factor = conditioned
    return exact.marginals(inverse_factor, rows.y, _between(conditioned, queries), found.signal_variance)


@partial(jax.jit, static_argnames="num")
def sample(queries: Rows, conditioned: Conditioned, key: jax.Array, *, num: int) -> Float[Array, "s m"]:
    """Joint draws at the queries."""
    kernel, found, rows, inverse_factor = conditioned
    between = _between(conditioned, queries.x)
    within = found.signal_variance * _correlation(kernel, found, queries.x, queries.x)
    mean, spread = exact.joint(inverse_factor, rows.y, between, within, found.signal_variance, queries)
    return mean[None, :] + jax.random.normal(key, (num, mean.shape[0]), mean.dtype) @ spread.T


def _between(conditioned, queries):
    """Padding rows are in it: they weigh nothing, and the inverse factor does not look at them."""
    kernel, found, rows, _ = conditioned
    return found.signal_variance * _correlation(kernel, found, rows.x, queries)


def _correlation(kernel, found, x, z):
    return correlation(kernel, found.lengthscales, found.shape, x, z)
