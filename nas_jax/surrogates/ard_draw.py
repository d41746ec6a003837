"""A draw of all hyperparameters of a process that has a lengthscale a feature, or a group of features."""

from collections.abc import Hashable, Sequence
from typing import Any

import jax
import numpy as np

from nas_jax.surrogates.hyperparameters import Hyperparameters
from nas_jax.surrogates.loadings import loadings_of
from nas_jax.surrogates.posterior_draw import draw_hyperparameters
from nas_jax.surrogates.relevance_draw import draw_relevances


def draw_with_relevances(
    key: jax.Array, kernel: Any, num_varying: int, x: np.ndarray, y: np.ndarray, *, groups: Sequence[Hashable] | None
) -> Hyperparameters:
    """Relevances first, and all else given them. `x` `[n, d]` and `y` `[n]` are scaled; arguments as of these two."""
    draw_key, relevance_key = jax.random.split(key)
    factors = draw_relevances(relevance_key, kernel, num_varying, loadings_of(x, groups), x, y)
    found = draw_hyperparameters(draw_key, kernel, num_varying, x / factors, y)
    return found._replace(lengthscales=factors * found.lengthscales)
