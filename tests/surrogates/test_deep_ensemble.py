"""Members trained together against members trained one by one, padding, and deviations by brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.surrogates.deep_ensemble import DeepEnsemble, apply, held_out_rows, train, train_member
from nas_jax.surrogates.metrics import coverage

KEY = jax.random.key(0)
ALONE = jax.jit(train_member, static_argnums=0)
SMALL = DeepEnsemble(num_members=4, width=8, num_steps=50)


def _data(n=60, noise=0.1):
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, size=(n, 2))
    return x, np.sin(3 * x[:, 0]) + x[:, 1] + noise * rng.normal(size=n)


def _arrays(n=20):
    x, y = _data(n)
    trains = np.random.default_rng(2).uniform(size=(4, n)) < 0.8
    return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32), jnp.asarray(trains)


def _assert_close(first, second):
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_members_trained_together_are_those_trained_one_by_one():
    x, y, trains = _arrays()
    keys = jax.random.split(KEY, 4)
    together = train(SMALL, keys, x, y, trains)
    for member in range(4):
        alone = ALONE(SMALL, keys[member], x, y, trains[member])
        _assert_close(jax.tree.map(lambda leaf, member=member: leaf[member], together), alone)


def test_rows_that_a_member_leaves_out_do_not_matter_to_it():
    """So padding rows do not either."""
    x, y, trains = _arrays()
    keys = jax.random.split(KEY, 4)
    only = trains[0]
    spoilt = jnp.where(only, y, 1e3)
    _assert_close(ALONE(SMALL, keys[0], x, y, only), ALONE(SMALL, keys[0], x, spoilt, only))
    assert not np.allclose(
        jax.tree.leaves(ALONE(SMALL, keys[0], x, spoilt, ~only))[0],
        jax.tree.leaves(ALONE(SMALL, keys[0], x, y, ~only))[0],
    )


def test_outputs_are_products_and_rectified_sums():
    x, y, trains = _arrays()
    weights = jax.device_get(train(SMALL, jax.random.split(KEY, 4), x, y, trains))
    expected = np.asarray(x)[None]
    for kernel, bias in weights[:-1]:
        expected = np.maximum(expected @ kernel + bias[:, None], 0)
    expected = (expected @ weights[-1][0] + weights[-1][1][:, None])[..., 0]
    np.testing.assert_allclose(apply(weights, x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_queries", [7, 33, 5000])
def test_deviations_are_those_of_the_members(num_queries):
    x, y = _data()
    ensemble = DeepEnsemble(num_members=4, width=8, num_steps=50, warp="identity")
    state = ensemble.fit(KEY, x, y)
    queries = np.random.default_rng(3).uniform(-1, 1, size=(num_queries, 2))
    members = np.asarray(apply(state.weights, np.float32(2 * (queries - x.min(0)) / np.ptp(x, 0) - 1)), float)
    noisy = ensemble.predict(state, queries, with_noise=True)
    np.testing.assert_allclose(noisy.mean, members.mean(axis=0) * np.std(y) + np.mean(y), rtol=1e-4, atol=1e-5)
    total = np.sqrt(np.var(members, axis=0) + state.noise_std**2) * np.std(y)
    np.testing.assert_allclose(noisy.std, total, rtol=1e-4)


def test_each_row_is_left_out_equally_often():
    """Ten members, five folds: every row is unseen by two."""
    is_held_out = held_out_rows(np.random.default_rng(0), 10, 23)
    np.testing.assert_array_equal(is_held_out.sum(axis=0), 2)
    assert set(is_held_out.sum(axis=1)) == {4, 5}
    assert not np.any(held_out_rows(np.random.default_rng(0), 10, 1))


def test_it_fits_a_curve_and_knows_the_noise():
    x, y = _data(n=120, noise=0.2)
    ensemble = DeepEnsemble()
    state = ensemble.fit(KEY, x, y)
    x_new, y_new = _data(n=1120, noise=0.2)
    posterior = ensemble.predict(state, x_new[120:], with_noise=True)
    assert np.sqrt(np.mean((posterior.mean - y_new[120:]) ** 2)) < 0.3
    assert coverage(posterior, y_new[120:]) == pytest.approx(0.95, abs=0.04)


def test_members_part_where_there_are_no_data():
    x, y = _data()
    ensemble = DeepEnsemble()
    state = ensemble.fit(KEY, x, y)
    near, far = (np.median(ensemble.predict(state, queries).std) for queries in (x, 5 * x))
    assert far > 3 * near


def test_a_size_compiles_once():
    x, y = _data(n=40)
    settings = DeepEnsemble(num_members=2, width=4, num_steps=3)
    settings.fit(KEY, x[:33], y[:33])
    compiled = train._cache_size()
    settings.fit(jax.random.key(1), x, y)
    assert train._cache_size() == compiled
