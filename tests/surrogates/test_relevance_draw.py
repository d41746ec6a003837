"""Draws of relevances: sampler and likelihood against closed forms and SciPy, and what draws find."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import invgamma, multivariate_normal

from nas_jax.surrogates import relevance_draw
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.kernels import stationary_kernel
from nas_jax.surrogates.padding import pad
from nas_jax.surrogates.relevance_draw import draw_with_relevances, elliptical_slice

KERNEL = stationary_kernel("matern52")
DRAWN = GaussianProcess(hyperparameters="drawn", warp="identity")


def test_the_sampler_leaves_a_gaussian_posterior_as_it_is():
    """Prior N(0, 1), a measurement 2 of deviation 0.5: the posterior is N(1.6, 0.2). One long chain from 0 on."""

    def go_on(z, random):
        z = elliptical_slice(lambda z: -0.5 * jnp.sum((z - 2) ** 2) / 0.25, random, z)
        return z, z

    with jax.enable_x64(True):
        random = jax.tree.map(jnp.asarray, relevance_draw._randomness(np.random.default_rng(0), 1500, 1))
        ends = np.asarray(jax.lax.scan(go_on, jnp.zeros(1), random)[1])
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
            found = relevance_draw._coordinates(loadings, log_lengthscale, jnp.asarray(z))
            return float(relevance_draw._density_of(KERNEL, rows, found)[0])

    first, second = np.array([0.3, -0.5, 1.0, -1.0]), np.array([-1.0, 0.4, 0.2, 0.8])
    assert found(first) - found(second) == pytest.approx(expected(first) - expected(second), rel=1e-5)


def _lengthscales(x, y, loadings=None, *, key=0, num=8):
    loadings = np.eye(x.shape[1]) if loadings is None else loadings
    draws = draw_with_relevances(jax.random.key(key), KERNEL, x.shape[1], loadings, x, (y - y.mean()) / y.std(), num)
    return np.array([draw.lengthscales for draw in draws])


def test_features_without_effect_get_longer_lengthscales():
    """The more so the longer the chain is, whose last draw comes first."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(80, 5))
    found = np.log(np.stack([_lengthscales(x, np.sin(6 * x[:, 0]), key=key, num=4) for key in range(12)]))
    assert len(np.unique(found[:, 0, 0])) == 12
    excess = np.mean(found[:, :, 1:], axis=2) - found[:, :, 0]
    assert np.mean(excess[:, 0]) > 1.0
    assert np.mean(excess[:, 0]) > np.mean(excess[:, -1]) > 0.0


def test_the_signal_variance_is_drawn_from_its_inverse_gamma():
    """Given lengthscales and noise ratio: E[1 / variance] is (a + n/2) over the scale b + y' C^-1 y / 2."""
    rng = np.random.default_rng(5)
    x, y = rng.uniform(size=(12, 2)), rng.normal(size=12)
    draws = draw_with_relevances(jax.random.key(0), KERNEL, 2, np.eye(2), x, y, 3000)
    ratios = []
    for draw in draws:
        distance = np.sqrt(5) * np.linalg.norm((x[:, None] - x[None]) / draw.lengthscales, axis=2)
        noise = draw.noise_variance / draw.signal_variance
        matrix = (1 + distance + distance**2 / 3) * np.exp(-distance) + noise * np.eye(12)
        ratios.append((1.0 + 0.5 * y @ np.linalg.solve(matrix, y)) / draw.signal_variance)
    assert np.mean(ratios) == pytest.approx(7.0, rel=0.03)
    assert np.var(ratios) == pytest.approx(7.0, rel=0.1)


def test_features_of_a_group_share_a_lengthscale_and_keys_repeat_themselves():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(size=(30, 4)), rng.normal(size=30)
    groups = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    lengthscales = _lengthscales(x, y, groups)
    np.testing.assert_allclose(lengthscales[:, 0], lengthscales[:, 1], rtol=1e-12)
    np.testing.assert_allclose(lengthscales[:, 2], lengthscales[:, 3], rtol=1e-12)
    assert np.all(lengthscales[:, 0] != lengthscales[:, 2])
    np.testing.assert_array_equal(lengthscales, _lengthscales(x, y, groups))


def test_many_rows_are_drawn_from_and_compile_one_program():
    rng = np.random.default_rng(2)
    x = rng.uniform(size=(300, 3))
    y = np.sin(6 * x[:, 0])
    _lengthscales(x[:128], y[:128])
    before = relevance_draw._draws._cache_size()
    assert np.all(np.isfinite(_lengthscales(x, y)))
    assert relevance_draw._draws._cache_size() == before


def test_a_fit_conditions_on_what_was_drawn():
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(60, 3))
    y = np.sin(6 * x[:, 0]) + x[:, 1]
    state = DRAWN.fit(jax.random.key(0), x, y)
    for member in state.members:
        found = {name: getattr(member, name) for name in ("lengthscales", "signal_std", "noise_std")}
        np.testing.assert_allclose(DRAWN.condition_on(x, y, **found).weights, member.weights, rtol=1e-6)
    assert DRAWN.lengthscales(state) is None  # a few draws are no estimate
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
