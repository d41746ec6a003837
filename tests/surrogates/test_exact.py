"""The algebra of exact inference against SciPy, NumPy and GPJax."""

import gpjax as gpx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from nas_jax.surrogates import exact, padding
from nas_jax.surrogates.hyperparameters import Hyperparameters
from nas_jax.surrogates.kernels import correlation, stationary_kernel
from nas_jax.surrogates.linalg import cholesky_and_inverse, gram_of_lower

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def _data(n):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(n, 3))
    x[1] = x[0]
    return x, rng.normal(size=n)


@pytest.mark.parametrize("size", [1, 32, 64, 65, 130, 320])
def test_cholesky_factor_and_inverse_are_those_of_numpy(size):
    root = np.random.default_rng(0).normal(size=(size, size))
    matrix = root @ root.T + np.eye(size)
    with jax.enable_x64(True):
        factor, inverse_factor = jax.jit(cholesky_and_inverse)(jnp.asarray(matrix))
        inverse = jax.jit(gram_of_lower)(inverse_factor)
    factor, inverse_factor = np.asarray(factor), np.asarray(inverse_factor)
    np.testing.assert_allclose(factor, np.linalg.cholesky(matrix), atol=1e-10 * size)
    np.testing.assert_allclose(inverse_factor @ factor, np.eye(size), atol=1e-9)
    np.testing.assert_allclose(inverse, np.linalg.inv(matrix), atol=1e-9)


def test_no_factor_is_made_up_where_there_is_none():
    matrix = np.eye(130)
    matrix[129, 129] = -1.0
    with jax.enable_x64(True):
        factor, _ = jax.jit(cholesky_and_inverse)(jnp.asarray(matrix))
    assert not np.all(np.isfinite(factor))


@pytest.mark.parametrize("n", [20, 100])
def test_density_and_gradient_are_those_of_gpjax(n):
    x, y = _data(n)
    known = np.zeros(n)

    with jax.enable_x64(True):
        rows = jax.tree.map(jnp.asarray, padding.pad(x, y, known))

        def ours(logs):
            found = Hyperparameters(jnp.exp(logs[:3]), jnp.exp(2 * logs[3]), jnp.exp(2 * logs[4]), jnp.zeros(0))
            here = correlation(stationary_kernel("matern52"), found.lengthscales, found.shape, rows.x, rows.x)
            return exact.log_density(exact.covariance_of_targets(here, found, rows), rows)

        def theirs(logs):
            kernel = gpx.kernels.Matern52(lengthscale=jnp.exp(logs[:3]), variance=jnp.exp(2 * logs[3]))
            prior = gpx.gps.Prior(kernel=kernel, mean_function=gpx.mean_functions.Zero(), jitter=0.0)
            joint = prior * gpx.likelihoods.Gaussian(obs_stddev=jnp.exp(logs[4]))
            return gpx.objectives.conjugate_mll(joint, gpx.Dataset(jnp.asarray(x), jnp.asarray(y)[:, None]))

        logs = jnp.array([-0.5, 0.3, 1.0, 0.2, -1.5])
        value, gradient = jax.jit(jax.value_and_grad(ours))(logs)
        bare_value = jax.jit(ours)(logs)  # without a gradient another factorisation is used
        expected_value, expected_gradient = jax.jit(jax.value_and_grad(theirs))(logs)
    np.testing.assert_allclose(value, expected_value, rtol=1e-10)
    np.testing.assert_allclose(bare_value, expected_value, rtol=1e-10)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-8)


def test_known_noise_is_on_the_diagonal():
    x, y = _data(12)
    known = np.random.default_rng(1).uniform(0.1, 1.0, 12)
    with jax.enable_x64(True):
        found = jax.tree.map(jnp.asarray, Hyperparameters(np.full(3, 0.5), np.array(1.5), np.array(0.01), np.zeros(0)))
        rows = jax.tree.map(jnp.asarray, padding.pad(x, y, known))
        here = correlation(stationary_kernel("rbf"), found.lengthscales, found.shape, rows.x, rows.x)
        result = exact.factorise(here, found, rows)
    squares = np.sum((x[:, None] - x[None]) ** 2, axis=-1)
    covariance = 1.5 * np.exp(-squares / (2 * 0.5**2)) + np.diag(0.01 + known)
    expected = multivariate_normal(np.zeros(12), covariance).logpdf(y)
    np.testing.assert_allclose(result.log_likelihood, expected, rtol=1e-9)
    np.testing.assert_allclose(result.weights[:12], np.linalg.solve(covariance, y), rtol=1e-7, atol=1e-9)


def test_noise_grows_no_more_than_it_must_and_a_hopeless_matrix_gives_nan():
    """The ones of equal points can be factorised once a little is added; what is no covariance never can."""
    rows = padding.pad(np.zeros((5, 1)), np.arange(5.0), np.zeros(5))
    found = Hyperparameters(np.ones(1), np.array(2.0), np.array(0.0), np.zeros(0))
    result = exact.factorise(np.ones((32, 32)), found, rows)
    added = result.noise_variance
    assert 0 < added <= 2e-8
    covariance = 2.0 * np.ones((5, 5)) + added * np.eye(5)
    np.testing.assert_allclose(result.inverse_factor @ covariance @ result.inverse_factor.T, np.eye(5), atol=1e-4)
    hopeless = exact.factorise(-9.0 * np.ones((32, 32)), found, rows)
    assert np.isnan(hopeless.log_likelihood)
    assert np.all(np.isnan(hopeless.inverse_factor))
