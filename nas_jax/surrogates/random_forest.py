"""A random forest: scikit-learn's, with deviations from how far its trees disagree.

Inputs and targets are scaled and warped as for the Gaussian process (`scaling.py`, `warps.py`). The deviation of the
function is the spread of the trees' means; a measurement adds the mean variance within leaves, and noise: what the
residuals of trees that did not see a row ("out of bag") exceed both by.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float
from sklearn.ensemble import RandomForestRegressor

from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.checks import query_array, training_arrays
from nas_jax.surrogates.mixtures import held_out_noise, mixture_moments, posterior_of
from nas_jax.surrogates.randomness import seed_of
from nas_jax.surrogates.scaling import Scaling, scaling_of
from nas_jax.surrogates.settings import check_at_least, check_warp


class RandomForestState(NamedTuple):
    """A grown forest."""

    forest: RandomForestRegressor  # of scaled inputs and targets
    noise_std: float  # beyond trees and leaves, in units of the warped targets' standard deviation
    scaling: Scaling


@dataclass(frozen=True)
class RandomForest:
    """Settings of a random forest (Breiman, "Random forests", Machine Learning 45, 2001).

    Args:
        num_trees: Trees, each grown from a bootstrap sample of the rows.
        max_features: Share of the features that a split chooses from.
        min_samples_leaf: Least number of rows in a leaf.
        warp: "sinh_arcsinh", "log_distance" or "identity", as of the Gaussian process.
        upper_bound: With "log_distance", what no target reaches.

    Raises:
        ValueError: an unknown warp or a setting out of its range.
    """

    num_trees: int = 200
    max_features: float = 1.0
    min_samples_leaf: int = 1
    warp: str = "sinh_arcsinh"
    upper_bound: float | None = None

    def __post_init__(self) -> None:
        check_at_least(1, num_trees=self.num_trees, min_samples_leaf=self.min_samples_leaf)
        check_warp(self.warp, self.upper_bound)
        if not 0 < self.max_features <= 1:
            raise ValueError(f"max_features must be a share above 0 and at most 1, got {self.max_features}")

    def fit(self, key: jax.Array, x: Any, y: Any) -> RandomForestState:
        """Grows a forest on `x` `[n, d]` and `y` `[n]`.

        Raises:
            ValueError: empty data, shapes that do not match, NaN, infinite or huge values.
        """
        x, y = training_arrays(x, y)
        scaling = scaling_of(x, y, self.warp, self.upper_bound)
        inputs, targets = scaling.inputs(x), scaling.targets(y)
        forest = RandomForestRegressor(
            self.num_trees,
            max_features=float(self.max_features),
            min_samples_leaf=self.min_samples_leaf,
            random_state=seed_of(key),
            n_jobs=1,  # small trees take less time than handing them to threads
        ).fit(inputs, targets)
        noise_std = held_out_noise(targets, *_trees(forest, inputs), _is_out_of_bag(forest, len(y)))
        return RandomForestState(forest, noise_std, scaling)

    def predict(self, state: RandomForestState, x_new: Any, *, with_noise: bool = False) -> Posterior:
        """Marginal predictions at `x_new` `[m, d]`, in units of the targets.

        Before the warp is undone, the mean is scikit-learn's `predict`. Deviations are those of Hutter, Xu, Hoos &
        Leyton-Brown (2014, section 4.3.2); without noise, of the trees' means alone.

        Raises:
            ValueError: another number of features, NaN, infinite or huge values.
        """
        queries = state.scaling.inputs(query_array(x_new, len(state.scaling.x_low)))
        means, variances = _trees(state.forest, queries)
        beyond = variances + state.noise_std**2 if with_noise else np.zeros_like(variances)
        return posterior_of(state.scaling, *mixture_moments(means, beyond))


make = RandomForest


def _trees(
    forest: RandomForestRegressor, x: Float[np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, "k m"], Float[np.ndarray, "k m"]]:
    """Mean and variance of the leaf that each row falls into, for each tree."""
    rows = np.asarray(x, np.float32)  # what trees compare
    means, variances = np.empty((2, len(forest.estimators_), len(rows)))
    for number, grown in enumerate(forest.estimators_):
        tree = grown.tree_  # without the checks of `predict`, which take longer than the tree
        leaf = tree.apply(rows)
        means[number], variances[number] = tree.value[leaf, 0, 0], tree.impurity[leaf]
    return means, variances


def _is_out_of_bag(forest: RandomForestRegressor, num_rows: int) -> Bool[np.ndarray, "k n"]:
    is_out = np.ones((len(forest.estimators_), num_rows), bool)
    for out, rows in zip(is_out, forest.estimators_samples_, strict=True):
        out[rows] = False
    return is_out
