"""Draws of relevances: sampler and likelihood against closed forms and SciPy, and what draws find."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import invgamma, multivariate_normal

from nas_jax.surrogates import relevance_draw
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.kernels import stationary_kernel
from nas_jax.surrogates.padding import pad
from nas_jax.surrogates.relevance_draw import draw_relevances, elliptical_slice

KERNEL = stationary_kernel("matern52")
DRAWN = GaussianProcess(hyperparameters="drawn", warp="identity")


def test_the_sampler_leaves_a_gaussian_posterior_as_it_is():
    """Prior N(0, 1), a measurement 2 of deviation 0.5: the posterior is N(1.6, 0.2)."""
    with jax.enable_x64(True):
        chain = jax.jit(partial(elliptical_slice, lambda z: -0.5 * jnp.sum((z - 2) ** 2) / 0.25))
        ends = []
        for seed in range(1500):
            random = relevance_draw._randomness(np.random.default_rng(seed), 12, 1)
            ends.append(float(chain(random)[0]))
    assert np.mean(ends) == pytest.approx(1.6, abs=0.05)
    assert np.var(ends) == pytest.approx(0.2, abs=0.03)


def test_the_likelihood_is_the_marginal_one_and_ignores_padding():
    """The signal variance integrated out by quadrature; a difference, since a constant is left out."""
    rng = np.random.default_rng(0)
    x, y, loadings = rng.uniform(size=(9, 2)), rng.normal(size=9), np.eye(2)
    log_variances = np.linspace(-9, 9, 3001)

    def expected(z):
        lengthscales = 1.5 * np.sqrt(2) * np.exp(z[1] + 0.7 * z[2:])
        distance = np.sqrt(5) * np.linalg.norm((x[:, None] - x[None]) / lengthscales, axis=2)
        matrix = (1 + distance + distance**2 / 3) * np.exp(-distance) + 0.03 * np.exp(1.5 * z[0]) * np.eye(9)
        logs = [
            multivariate_normal.logpdf(y, cov=np.exp(v) * matrix) + invgamma.logpdf(np.exp(v), 1.0) + v
            for v in log_variances
        ]
        return np.log(np.trapezoid(np.exp(logs), log_variances))

    def found(z):
        with jax.enable_x64(True):
            log_lengthscale = np.asarray(np.log(1.5) + 0.5 * np.log(2))
            rows = pad(x, y, 0 * y)
            return float(relevance_draw._log_likelihood(KERNEL, rows, loadings, log_lengthscale, jnp.asarray(z)))

    first, second = np.array([0.3, -0.5, 1.0, -1.0]), np.array([-1.0, 0.4, 0.2, 0.8])
    assert found(first) - found(second) == pytest.approx(expected(first) - expected(second), rel=1e-5)


def _factors(keys, x, y, loadings=None):
    loadings = np.eye(x.shape[1]) if loadings is None else loadings
    draws = [draw_relevances(jax.random.key(key), KERNEL, x.shape[1], loadings, x, y) for key in keys]
    return np.array([draw for draw in draws if np.ptp(draw) > 0]), len(draws)


def test_features_without_effect_get_longer_lengthscales():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(80, 5))
    y = np.sin(6 * x[:, 0])
    factors, num = _factors(range(24), x, (y - y.mean()) / y.std())
    assert num == 24
    assert 4 <= len(factors) <= 20  # half of all draws have one lengthscale
    relevant, others = np.log(factors[:, 0]), np.log(factors[:, 1:])
    assert np.mean(others) - np.mean(relevant) > 1.0
    assert len(np.unique(factors, axis=0)) == len(factors)


def test_features_of_a_group_share_a_factor_and_keys_repeat_themselves():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(size=(30, 4)), rng.normal(size=30)
    groups = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    factors, _ = _factors(range(6), x, y, groups)
    np.testing.assert_array_equal(factors[:, 0], factors[:, 1])
    np.testing.assert_array_equal(factors[:, 2], factors[:, 3])
    np.testing.assert_array_equal(factors, _factors(range(6), x, y, groups)[0])


def test_many_rows_are_drawn_from_and_compile_one_program():
    rng = np.random.default_rng(2)
    x = rng.uniform(size=(300, 3))
    y = np.sin(6 * x[:, 0])
    _factors(range(4), x[:128], y[:128])
    before = relevance_draw._departures._cache_size()
    factors, _ = _factors(range(4), x, y)
    assert np.all(np.isfinite(factors))
    assert relevance_draw._departures._cache_size() == before


def test_a_fit_conditions_on_what_was_drawn():
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(60, 3))
    y = np.sin(6 * x[:, 0]) + x[:, 1]
    states = [DRAWN.fit(jax.random.key(key), x, y) for key in range(8)]
    state = next(state for state in states if np.ptp(state.lengthscales) > 0)
    same = DRAWN.condition_on(
        x, y, lengthscales=state.lengthscales, signal_std=state.signal_std, noise_std=state.noise_std
    )
    np.testing.assert_allclose(state.weights, same.weights, rtol=1e-9)
    assert DRAWN.lengthscales(state) is None  # one draw is no estimate
    x_new = rng.uniform(size=(50, 3))
    truth = np.sin(6 * x_new[:, 0]) + x_new[:, 1]
    assert np.corrcoef(DRAWN.predict(state, x_new).mean, truth)[0, 1] > 0.95


def test_equal_groups_have_one_lengthscale_and_wrong_ones_are_refused():
    rng = np.random.default_rng(4)
    x, y = rng.uniform(size=(20, 3)), rng.normal(size=20)
    grouped = GaussianProcess(hyperparameters="drawn", groups=("a", "b", "a"))
    for key in range(4):
        lengthscales = grouped.fit(jax.random.key(key), x, y).lengthscales
        assert lengthscales[0] == pytest.approx(lengthscales[2], rel=1e-12)
    with pytest.raises(ValueError, match="groups must label each of the 2 features"):
        grouped.fit(jax.random.key(0), x[:, :2], y)
