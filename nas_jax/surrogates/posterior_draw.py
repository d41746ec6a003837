"""Draws from the posterior of a Gaussian process's hyperparameters: lengthscales, signal and noise.

A search that repeats itself with the one best setting can be wrong about it for good; draws differ as far as the data
leave room. Where all features share a lengthscale, the posterior of lengthscale and noise is evaluated on a grid. The
signal variance is integrated out there in closed form (its prior is inverse gamma), and drawn last. One
eigendecomposition for each lengthscale serves all noises: nothing is optimised or differentiated, and only the kernel
is compiled.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from nas_jax.surrogates.hyperparameters import Hyperparameters
from nas_jax.surrogates.padding import Rows, pad
from nas_jax.surrogates.precision import in_double_precision, side_by_side
from nas_jax.surrogates.programs import correlation_of_rows
from nas_jax.surrogates.randomness import generator_of
from nas_jax.surrogates.relevance_draw import LOG_LENGTHSCALE, LOG_NOISE_RATIO, SIGNAL_PRIOR, draw_with_relevances

# Lengthscales in units of sqrt(d), d the features that vary: the typical distance of two points grows like it.
_LENGTHSCALES = np.geomspace(0.3, 8.0, 10)
_NOISE_RATIOS = np.array([1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0])  # noise variance over signal variance
_MAX_ROWS = 400  # an eigendecomposition costs ten times a factorisation; what many rows tell, these tell too


def draw_hyperparameters(
    key: jax.Array,
    kernel: Any,
    num_varying: int,
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    loadings: Float[np.ndarray, "d c"] | None = None,
    num: int = 1,
) -> list[Hyperparameters]:
    """`num` draws given scaled inputs and standardised targets.

    `num_varying` is the number of features that take more than one value. The kernel has no shape parameters. With
    `loadings` (`loadings.py`) features have lengthscales of their own (`relevance_draw.py`), else they share one.
    """
    if loadings is None:
        return _draw_alike(key, kernel, num_varying, x, y, num)
    return draw_with_relevances(key, kernel, num_varying, loadings, x, y, num)


def _draw_alike(
    key: jax.Array, kernel: Any, num_varying: int, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], num: int
) -> list[Hyperparameters]:
    """With a single lengthscale, each draw on its own; given a random 400 rows where there are more."""
    rng = generator_of(key)
    if len(y) > _MAX_ROWS:
        chosen = np.sort(rng.choice(len(y), _MAX_ROWS, replace=False))
        x, y = x[chosen], y[chosen]
    lengthscales = _LENGTHSCALES * np.sqrt(max(1, num_varying))
    rows = pad(x, y, np.zeros(len(y)))
    log_density, signal_scale = _grid_densities(kernel, lengthscales, _NOISE_RATIOS, rows)
    log_prior = _log_normal(_LENGTHSCALES, *LOG_LENGTHSCALE)[:, None] + _log_normal(_NOISE_RATIOS, *LOG_NOISE_RATIO)
    probabilities = softmax((log_prior + log_density).ravel())
    cells = rng.choice(probabilities.size, num, p=probabilities)
    signal_variances = signal_scale.ravel()[cells] / rng.gamma(SIGNAL_PRIOR[0] + 0.5 * len(y), size=num)
    return [
        Hyperparameters(
            lengthscales=np.full(x.shape[1], lengthscales[row]),
            signal_variance=np.asarray(signal),
            noise_variance=np.asarray(signal * _NOISE_RATIOS[column]),
            shape=np.zeros(0),
        )
        for row, column, signal in zip(*np.unravel_index(cells, log_density.shape), signal_variances, strict=True)
    ]


def _grid_densities(
    kernel: Any, lengthscales: Float[np.ndarray, " l"], noise_ratios: Float[np.ndarray, " s"], rows: Rows
) -> tuple[Float[np.ndarray, "l s"], Float[np.ndarray, "l s"]]:
    """log p(y | lengthscale, noise ratio) but for a constant, and the scale of the signal variance's posterior.

    With C the correlation matrix plus noise ratio times identity, and a signal variance of prior IG(a, b):
    p(y) ~ |C|^(-1/2) (b + y' C^-1 y / 2)^-(a + n/2), and the signal variance given y is IG(a + n/2, b + y' C^-1 y / 2)
    (Murphy 2012, "Machine Learning: A Probabilistic Perspective", sec. 7.6.3, with weights integrated out).
    """
    num_rows = int(np.sum(rows.is_real))
    prior_shape, prior_scale = SIGNAL_PRIOR
    ones, y = np.ones(rows.x.shape[1]), rows.y[:num_rows]

    def densities(lengthscale: float) -> tuple[np.ndarray, np.ndarray]:
        matrix = in_double_precision(correlation_of_rows, kernel, lengthscale * ones, np.zeros(0), rows.x)
        eigenvalues, vectors = np.linalg.eigh(matrix[:num_rows, :num_rows])
        weights = (y @ vectors) ** 2
        spectrum = np.maximum(eigenvalues, 1e-10)[:, None] + noise_ratios[None, :]  # [n, s]
        scale = prior_scale + 0.5 * np.sum(weights[:, None] / spectrum, axis=0)
        return -0.5 * np.sum(np.log(spectrum), axis=0) - (prior_shape + 0.5 * num_rows) * np.log(scale), scale

    log_density, scale = zip(*side_by_side(densities, lengthscales.tolist()), strict=True)
    return np.array(log_density), np.array(scale)


def _log_normal(values: np.ndarray, mean: float, std: float) -> np.ndarray:
    return -0.5 * ((np.log(values) - mean) / std) ** 2
