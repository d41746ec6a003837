"""The forest against scikit-learn's own predictions, and its deviations by brute force over trees."""

import jax
import numpy as np
import pytest

from nas_jax.surrogates.metrics import coverage
from nas_jax.surrogates.random_forest import RandomForest

KEY = jax.random.key(0)


def _data(n=60, noise=0.3):
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(n, 4))
    return x, np.where(x[:, 0] > 0.5, 3.0, 0.0) + x[:, 1] + noise * rng.normal(size=n)


def test_without_a_warp_the_mean_is_that_of_scikit_learn():
    x, y = _data()
    forest = RandomForest(num_trees=50, warp="identity")
    state = forest.fit(KEY, x, y)
    expected = state.forest.predict(state.scaling.inputs(x)) * np.std(y) + np.mean(y)
    np.testing.assert_allclose(forest.predict(state, x).mean, expected, rtol=1e-5)


@pytest.mark.parametrize("min_samples_leaf", [1, 4])
def test_the_variance_is_that_of_all_leaves(min_samples_leaf):
    """Tree by tree: the rows of its bootstrap sample that share a leaf with the query."""
    x, y = _data()
    forest = RandomForest(num_trees=20, min_samples_leaf=min_samples_leaf, warp="identity")
    state = forest.fit(KEY, x, y)
    queries = np.random.default_rng(2).uniform(size=(9, 4))
    inputs, scaled = state.scaling.inputs(x), state.scaling.inputs(queries)
    means, variances = np.empty((2, 20, 9))
    for number, tree in enumerate(state.forest.estimators_):
        bag = state.forest.estimators_samples_[number]
        leaf_of_bag, leaf = tree.apply(inputs[bag].astype(np.float32)), tree.apply(scaled.astype(np.float32))
        for query in range(9):
            inside = y[bag][leaf_of_bag == leaf[query]]
            means[number, query], variances[number, query] = np.mean(inside), np.var(inside)
    bare, noisy = forest.predict(state, queries), forest.predict(state, queries, with_noise=True)
    np.testing.assert_allclose(bare.std, np.maximum(means.std(axis=0), 1e-3 * np.std(y)), rtol=1e-4)
    total = means.var(axis=0) + variances.mean(axis=0) + (state.noise_std * np.std(y)) ** 2
    np.testing.assert_allclose(noisy.std, np.sqrt(total), rtol=1e-4)


def test_on_average_unseen_points_are_missed_by_as_much_as_predicted():
    """Over draws: of one, the residuals' mean square alone varies by a tenth."""
    ratios, coverages = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x = rng.uniform(size=(1200, 4))
        y = np.where(x[:, 0] > 0.5, 3.0, 0.0) + x[:, 1] + rng.normal(size=1200)
        forest = RandomForest(num_trees=100, warp="identity")
        posterior = forest.predict(forest.fit(jax.random.key(seed), x[:200], y[:200]), x[200:], with_noise=True)
        ratios.append(np.mean(np.asarray(posterior.std) ** 2) / np.mean((np.asarray(posterior.mean) - y[200:]) ** 2))
        coverages.append(coverage(posterior, y[200:]))
    assert np.mean(ratios) == pytest.approx(1, abs=0.12)
    assert np.mean(coverages) == pytest.approx(0.94, abs=0.02)


def test_monotone_maps_of_features_change_nothing():
    """Trees split by order alone.

    Where between two rows a split lies does move, so a row that a tree did not see may fall to its other side.
    """
    x, y = _data()
    first, second = (
        forest.predict(forest.fit(KEY, features, y), features).mean
        for forest, features in ((RandomForest(num_trees=30), x), (RandomForest(num_trees=30), np.exp(3 * x)))
    )
    np.testing.assert_allclose(first, second, atol=0.15)
    assert np.mean(np.abs(first - second)) < 0.02


def test_another_key_grows_another_forest():
    x, y = _data()
    forest = RandomForest(num_trees=20)
    means = [forest.predict(forest.fit(jax.random.key(seed), x, y), x).mean for seed in (0, 1)]
    assert not np.array_equal(*means)


def test_no_prediction_leaves_the_range_of_the_targets():
    x, y = _data()
    forest = RandomForest(num_trees=20, warp="identity")
    mean = forest.predict(forest.fit(KEY, x, y), 50 * np.random.default_rng(0).normal(size=(40, 4))).mean
    assert np.min(y) - 1e-4 <= np.min(mean) <= np.max(mean) <= np.max(y) + 1e-4
