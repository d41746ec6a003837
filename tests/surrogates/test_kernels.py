"""Kernels evaluated by distance against GPJax's own evaluation, in values and gradients."""

import gpjax as gpx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.gaussian_process import kernels as sk

from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.kernels import correlation, num_shapes, stationary_kernel

pytestmark = pytest.mark.usefixtures("compiled_quickly")

INSTANCES = {
    "rbf": gpx.kernels.RBF(),
    "matern12": gpx.kernels.Matern12(),
    "matern32": gpx.kernels.Matern32(),
    "matern52": gpx.kernels.Matern52(),
    "rational_quadratic": gpx.kernels.RationalQuadratic(alpha=0.7),
    "powered_exponential": gpx.kernels.PoweredExponential(power=0.8),
    "periodic": gpx.kernels.Periodic(period=0.9),
}
LENGTHSCALES = np.array([0.4, 1.0, 3.0])


def _points(num=6):
    x = np.random.default_rng(0).uniform(size=(num, 3))
    x[1] = x[0]
    return x


@pytest.mark.parametrize("name", INSTANCES)
def test_values_and_gradients_are_those_of_gpjax(name):
    kernel, x, weights = INSTANCES[name], _points(), np.random.default_rng(1).normal(size=(6, 6))

    def ours(lengthscales):
        return jnp.sum(weights * correlation(kernel, lengthscales, jnp.zeros(0), x, x))

    def theirs(lengthscales):
        settings = {"alpha": 0.7} if name == "rational_quadratic" else {}
        settings |= {"power": 0.8} if name == "powered_exponential" else {}
        settings |= {"period": 0.9} if name == "periodic" else {}
        return jnp.sum(weights * type(kernel)(lengthscale=lengthscales, **settings).cross_covariance(x, x))

    with jax.enable_x64(True):
        lengthscales = jnp.asarray(LENGTHSCALES)
        value, gradient = jax.jit(jax.value_and_grad(ours))(lengthscales)
        expected, expected_gradient = jax.jit(jax.value_and_grad(theirs))(lengthscales)
    # The instances were made outside of double precision, so alpha, power and period are float32.
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-8)


def test_alpha_of_the_rational_quadratic_is_learned_where_it_is_asked_for_by_name():
    x = np.random.default_rng(0).uniform(size=(40, 1))
    y = np.sin(12 * x[:, 0])
    named, given = GaussianProcess(kernel="rational_quadratic"), GaussianProcess(kernel=INSTANCES["rational_quadratic"])
    assert (num_shapes(named.kernel), num_shapes(given.kernel)) == (1, 0)
    state = named.fit(jax.random.key(0), x, y)
    assert state.shape.shape == (1,)
    assert given.fit(jax.random.key(0), x, y).shape.shape == (0,)
    # A sine is as smooth as can be: alpha grows from its prior's mode towards the squared exponential's infinity.
    assert state.shape[0] > 1.5


def test_rational_quadratic_agrees_with_scikit_learn():
    x = _points()
    with jax.enable_x64(True):
        kernel = stationary_kernel("rational_quadratic")
        ours = correlation(kernel, jnp.full(3, 0.6), jnp.array([1.7]), jnp.asarray(x), jnp.asarray(x))
    np.testing.assert_allclose(ours, sk.RationalQuadratic(length_scale=0.6, alpha=1.7)(x), rtol=1e-9)


@pytest.mark.parametrize("name", ["matern52", "powered_exponential", "periodic"])
def test_instances_are_fitted(name):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(30, 2))
    y = np.sin(7 * x[:, 0]) + 0.05 * rng.normal(size=30)
    gp = GaussianProcess(kernel=INSTANCES[name], num_starts=2)
    state = gp.fit(jax.random.key(0), x, y)
    unseen = gp.leave_one_out(state)
    assert np.mean((unseen.mean - y) ** 2) < 0.3 * np.var(y)


def test_an_instance_is_fitted_as_its_name():
    x = _points(20)
    y = x[:, 0] ** 2
    named, given = (GaussianProcess(kernel=kernel) for kernel in ("matern32", gpx.kernels.Matern32(lengthscale=9.0)))
    for leaf, other in zip(
        jax.tree.leaves(named.fit(jax.random.key(0), x, y)),
        jax.tree.leaves(given.fit(jax.random.key(0), x, y)),
        strict=True,
    ):
        np.testing.assert_allclose(leaf, other, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kernel", [gpx.kernels.Linear(), gpx.kernels.RBF() + gpx.kernels.RBF(), None, gpx.kernels.RBF])
def test_what_is_no_stationary_kernel_is_refused(kernel):
    with pytest.raises(ValueError, match="choose from matern12"):
        GaussianProcess(kernel=kernel)


def test_white_noise_and_kernels_of_some_features_are_refused():
    with pytest.raises(ValueError, match="another than white noise"):
        GaussianProcess(kernel=gpx.kernels.White())
    with pytest.raises(ValueError, match="active_dims"):
        GaussianProcess(kernel=gpx.kernels.RBF(active_dims=[0]))


def test_the_gradient_of_a_rough_kernel_does_not_suffer_from_equal_points():
    """Compiled, x / lengthscale of equal points may differ by an ulp. Checked by exp(-|x - z| / lengthscale)."""
    rng = np.random.default_rng(0)
    x = np.log(rng.choice([1, 2, 4, 8, 16, 32, 50], 50))[:, None] / np.log(50)
    weights = rng.normal(size=(50, 50))

    def ours(log_lengthscale):
        return jnp.sum(weights * correlation(kernel, jnp.exp(log_lengthscale)[None], jnp.zeros(0), x, x))

    def closed(log_lengthscale):
        return jnp.sum(weights * jnp.exp(-jnp.abs(x - x.T) / jnp.exp(log_lengthscale)))

    with jax.enable_x64(True):
        kernel = stationary_kernel("matern12")  # made within `ours` it would keep what belongs to its compilation
        for point in (-1.2, -0.5, 0.1):
            expected = jax.grad(closed)(jnp.asarray(point))
            np.testing.assert_allclose(jax.jit(jax.grad(ours))(jnp.asarray(point)), expected, rtol=1e-6)
