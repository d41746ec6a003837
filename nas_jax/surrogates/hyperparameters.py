"""Hyperparameters of a Gaussian process and their prior, as coordinates that are standard normal under it.

Logarithms of hyperparameters are jointly Gaussian, and the density that a fit maximises is theirs. Every
lengthscale has the dimension-scaled prior of Hvarfner, Hellsten & Nardi, "Vanilla Bayesian Optimization Performs
Great in High Dimensions" (ICML 2024, sec. 4): log l ~ N(sqrt(2) + log(d) / 2, 3), where d counts the features that
vary. Drawn independently, 30 lengthscales still overfit 100 points. Here they share the fraction `sharing` of their
log-variance, so the marginals are the paper's while features depart from their common lengthscale only as far as
the data insist: 0 is the paper's prior, 1 a single lengthscale. The noise variance is log-normal around exp(-4)
(spread 1), as in BoTorch's default; the signal variance and a shape parameter around 1 (spread 1). What a mean function
learns is normal around the values that it came with, with deviation 1.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

Array = np.ndarray | jax.Array  # inside and outside of compiled programs

_LOG_LENGTHSCALE = (2**0.5, 3**0.5)  # mean (for one feature) and deviation
_LOG_NOISE_VARIANCE = (-4.0, 1.0)
_LOG_SIGNAL_VARIANCE = (0.0, 1.0)
_LOG_SHAPE = (0.0, 1.0)
_NUM_SCALARS = 3  # noise, signal, common lengthscale
_NO_MEAN = np.zeros(0)


class Hyperparameters(NamedTuple):
    """In units of a feature's training range and of the targets' standard deviation."""

    lengthscales: Float[Array, " d"]
    signal_variance: Float[Array, ""]
    noise_variance: Float[Array, ""]
    shape: Float[Array, " s"]
    mean: Float[Array, " q"] = _NO_MEAN  # what the mean function learns (`means.py`)


class Prior(NamedTuple):
    """What the prior depends on, made by `prior_of`."""

    log_lengthscale: Float[Array, ""]  # its mean
    sharing: Float[Array, ""]
    group: Int[Array, " d"]  # the number of each feature's group
    min_noise_variance: Float[Array, ""]
    mean: Float[Array, " q"]  # that of what the mean function learns


def prior_of(
    num_varying: int,
    group: Int[np.ndarray, " d"],
    sharing: float,
    min_noise_std: float,
    mean: Float[np.ndarray, " q"] = _NO_MEAN,
) -> Prior:
    """The prior for features of which `num_varying` take more than one value."""
    return Prior(
        log_lengthscale=np.asarray(_LOG_LENGTHSCALE[0] + 0.5 * np.log(max(1, num_varying))),
        sharing=np.asarray(sharing, np.float64),
        group=group,
        min_noise_variance=np.asarray(min_noise_std**2),
        mean=mean,
    )


def groups_of(labels: Sequence[Hashable] | None, num_features: int, *, ard: bool) -> Int[np.ndarray, " d"]:
    """The number of each feature's group, from a label for each feature, if there are any; else each is alone.

    Raises:
        ValueError: another number of labels.
    """
    if not ard:
        return np.zeros(num_features, int)
    if labels is None:
        return np.arange(num_features)
    if len(labels) != num_features:
        raise ValueError(f"groups must label each of the {num_features} features of x, got {len(labels)}")
    distinct = list(dict.fromkeys(labels))
    return np.array([distinct.index(label) for label in labels])


def num_coordinates(prior: Prior, num_groups: int, num_shapes: int) -> int:
    return _NUM_SCALARS + num_shapes + num_groups + prior.mean.shape[0]


def hyperparameters(prior: Prior, z: Float[jax.Array, " k"], num_shapes: int) -> Hyperparameters:
    """The hyperparameters at coordinates `z`, whose prior is standard normal."""
    num_groups = z.shape[0] - num_coordinates(prior, 0, num_shapes)
    ends = np.cumsum([1, 1, 1, num_shapes, num_groups])
    noise, signal, common, shape, groups, mean = jnp.split(z, ends)
    departure = prior.sharing**0.5 * common + (1 - prior.sharing) ** 0.5 * groups[prior.group]
    return Hyperparameters(
        lengthscales=jnp.exp(prior.log_lengthscale + _LOG_LENGTHSCALE[1] * departure),
        signal_variance=jnp.exp(_LOG_SIGNAL_VARIANCE[0] + _LOG_SIGNAL_VARIANCE[1] * signal[0]),
        noise_variance=prior.min_noise_variance + jnp.exp(_LOG_NOISE_VARIANCE[0] + _LOG_NOISE_VARIANCE[1] * noise[0]),
        shape=jnp.exp(_LOG_SHAPE[0] + _LOG_SHAPE[1] * shape),
        mean=prior.mean + mean,
    )
