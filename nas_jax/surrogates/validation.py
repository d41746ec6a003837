"""Cross-validation: what a surrogate predicts of points that it has not seen."""

from typing import Any

import jax
import numpy as np

from nas_jax.surrogates.base import Posterior, Surrogate, as_posterior
from nas_jax.surrogates.checks import training_arrays
from nas_jax.surrogates.randomness import generator_of


def cross_validate(surrogate: Surrogate, key: jax.Array, x: Any, y: Any, num_folds: int = 10) -> Posterior:
    """Predicts a measurement at each row of `x` `[n, d]` by a fit to the other folds.

    Points fall into `num_folds` folds at random (into n where there are fewer points), of sizes that differ by one
    at most. The key settles the folds and every fit.

    Returns:
        Predictions in the order of the rows, noise included, ready to be held against `y` by `metrics`.

    Raises:
        ValueError: fewer than two points or folds, or data that the surrogate refuses.
    """
    x, y = training_arrays(x, y)
    num_rows = len(y)
    if min(num_folds, num_rows) < 2:
        raise ValueError(f"cross-validation needs two folds and two points, got {num_folds} and {num_rows}")
    shuffle_key, fit_key = jax.random.split(key)
    order = generator_of(shuffle_key).permutation(num_rows)
    mean, std, dtype = np.empty(num_rows), np.empty(num_rows), np.dtype(np.float32)
    for number, held_out in enumerate(np.array_split(order, min(num_folds, num_rows))):
        seen = np.setdiff1d(order, held_out)
        state = surrogate.fit(jax.random.fold_in(fit_key, number), x[seen], y[seen])
        posterior = surrogate.predict(state, x[held_out], with_noise=True)
        mean[held_out], std[held_out] = posterior
        dtype = np.promote_types(dtype, posterior.mean.dtype)
    return as_posterior(mean, std, dtype)
