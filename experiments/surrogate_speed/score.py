"""What all methods are scored by: likelihood and posterior density of hyperparameters, in plain NumPy and SciPy.

Nothing here is shared with `nas_jax`, so that an error there cannot hide. The posterior is that of
`nas_jax/surrogates/hyperparameters.py` for features that all vary, as a density of logarithms: of lengthscales, of the
signal variance, and of the noise variance above its least value. All is in units of standardised targets.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

SHARING = 0.95
MIN_NOISE_VARIANCE = 1e-6
_LOG_SIGNAL, _LOG_NOISE = 0.0, -4.0  # means of log variances, whose deviations are one
_LENGTHSCALE_VARIANCE = 3.0  # of log lengthscales


class Found(NamedTuple):
    """Hyperparameters that a method found."""

    lengthscales: np.ndarray  # [d]
    signal_variance: float
    noise_variance: float


def log_likelihood(found: Found, x: np.ndarray, y: np.ndarray) -> float:
    """log p(y | x, hyperparameters) with a Matern-5/2 kernel and mean zero; NaN where a search has diverged."""
    if not np.all(np.isfinite(found.lengthscales) & (found.lengthscales > 0)):
        return np.nan
    squares = sum(np.subtract.outer(feature, feature) ** 2 for feature in (x / found.lengthscales).T)
    distances = np.sqrt(5 * squares)
    correlation = (1 + distances + distances**2 / 3) * np.exp(-distances)
    return _log_normal(y, found.signal_variance * correlation + found.noise_variance * np.eye(len(y)))


def log_prior(found: Found) -> float:
    """The log density under the prior: minus infinity where the noise is no more than its least value."""
    num = len(found.lengthscales)
    if not np.all(np.isfinite(found.lengthscales) & (found.lengthscales > 0)):
        return np.nan
    if found.noise_variance <= MIN_NOISE_VARIANCE:
        return -np.inf
    above = found.noise_variance - MIN_NOISE_VARIANCE
    logs = np.log([*found.lengthscales, found.signal_variance, above])
    covariance = np.eye(num + 2)
    covariance[:num, :num] = _LENGTHSCALE_VARIANCE * (SHARING + (1 - SHARING) * np.eye(num))
    return _log_normal(logs - np.append(np.full(num, _log_lengthscale(num)), [_LOG_SIGNAL, _LOG_NOISE]), covariance)


def from_coordinates(z: np.ndarray) -> tuple[Found, np.ndarray]:
    """Hyperparameters at coordinates `[3 + d]` that are standard normal under the prior, and their slopes.

    The coordinates are of noise, signal, the lengthscales' common part and each one's own. There is one more than there
    are hyperparameters; for given hyperparameters the least of their squares is the one of highest density.

    Returns:
        The hyperparameters, and the derivatives `[d + 2, 3 + d]` of the logarithms of signal variance, lengthscales
        and noise variance.
    """
    num, deviation = len(z) - 3, _LENGTHSCALE_VARIANCE**0.5
    above = np.exp(_LOG_NOISE + z[0])
    log_lengthscales = _log_lengthscale(num) + deviation * (SHARING**0.5 * z[2] + (1 - SHARING) ** 0.5 * z[3:])
    found = Found(np.exp(log_lengthscales), np.exp(_LOG_SIGNAL + z[1]), MIN_NOISE_VARIANCE + above)
    slopes = np.zeros((num + 2, num + 3))
    slopes[0, 1] = 1.0
    slopes[1:-1, 2] = deviation * SHARING**0.5
    slopes[1:-1, 3:] = deviation * (1 - SHARING) ** 0.5 * np.eye(num)
    slopes[-1, 0] = above / found.noise_variance
    return found, slopes


def _log_lengthscale(num_features: int) -> float:
    """The mean of log lengthscales."""
    return 2**0.5 + 0.5 * np.log(num_features)


def _log_normal(y: np.ndarray, covariance: np.ndarray) -> float:
    factor = cho_factor(covariance, lower=True)
    log_determinant = 2 * np.sum(np.log(np.diag(factor[0])))
    return float(-0.5 * (y @ cho_solve(factor, y) + log_determinant + len(y) * np.log(2 * np.pi)))
