"""Several predictors taken together, and the noise that their disagreement does not explain.

All in scaled units (`scaling.py`), but for what `posterior_of` returns.
"""

import numpy as np
from jaxtyping import Bool, Float

from nas_jax.surrogates.base import Posterior, as_posterior
from nas_jax.surrogates.scaling import Scaling

LEAST_STD = 1e-3  # of predictions and of noise, in deviations of the targets: members that agree are not certain


def mixture_moments(
    means: Float[np.ndarray, "k m"], variances: Float[np.ndarray, "k m"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Mean and variance of an equal mixture of k predictions: the law of total variance.

    Hutter, Xu, Hoos & Leyton-Brown, "Algorithm runtime prediction: methods & evaluation" (Artificial Intelligence 206,
    2014, section 4.3.2) for trees; Lakshminarayanan, Pritzel & Blundell, "Simple and scalable predictive uncertainty
    estimation using deep ensembles" (NeurIPS 2017, section 2.4) for networks.
    """
    return np.mean(means, axis=0), np.var(means, axis=0) + np.mean(variances, axis=0)


def held_out_noise(
    y: Float[np.ndarray, " n"],
    means: Float[np.ndarray, "k n"],
    variances: Float[np.ndarray, "k n"],
    is_held_out: Bool[np.ndarray, "k n"],
) -> float:
    """Deviation of the noise, such that predictions of rows by members that did not see them are as wrong as they say.

    The mean squared residual less the mean variance of the mixture of those members, or 1e-3 squared if that is more.
    Rows that every member saw do not count; if all are such, as a lone row is, the noise is the targets' deviation.
    """
    rows = np.any(is_held_out, axis=0)
    if not np.any(rows):
        return 1.0
    y, means, variances, is_held_out = y[rows], means[:, rows], variances[:, rows], is_held_out[:, rows]
    residuals = y - np.mean(means, axis=0, where=is_held_out)
    explained = np.var(means, axis=0, where=is_held_out) + np.mean(variances, axis=0, where=is_held_out)
    return float(np.sqrt(max(np.mean(residuals**2) - np.mean(explained), LEAST_STD**2)))


def posterior_of(scaling: Scaling, mean: Float[np.ndarray, " m"], variance: Float[np.ndarray, " m"]) -> Posterior:
    """What is normal in scaled units, in units of the targets. A deviation below 1e-3 becomes 1e-3."""
    centre, std = scaling.moments(mean, np.sqrt(np.maximum(variance, LEAST_STD**2)))
    return as_posterior(centre, std, scaling.dtype)
