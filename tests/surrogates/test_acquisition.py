"""Acquisition functions against quadrature, closed forms of SciPy in double precision, and asymptotic series."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from nas_jax.surrogates import acquisition
from nas_jax.surrogates.base import Posterior

pytestmark = pytest.mark.usefixtures("compiled_quickly")

LEFT = [-1e4, -3e3, -1000, -300, -100, -40, -12, -5.5, -5, -4, -3.001, -3, -2.999, -2, -1, -0.3, -1e-3]
RIGHT = [0, 1e-3, 0.3, 1, 2, 3, 5, 8, 12, 40, 1000]
POINTWISE = [
    acquisition.expected_improvement,
    acquisition.log_expected_improvement,
    acquisition.probability_of_improvement,
    acquisition.log_probability_of_improvement,
    acquisition.upper_confidence_bound,
]


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    with jax.enable_x64(True) if request.param == np.float64 else contextlib.nullcontext():
        yield request.param


def _posterior(mean, std, dtype=np.float32):
    return Posterior(*(jnp.asarray(values, dtype) for values in np.broadcast_arrays(mean, std)))


def _around(best, z, std, dtype):
    """A posterior about z deviations from best, and the z that it has in double precision after rounding."""
    posterior = _posterior(best + np.multiply(z, std), std, dtype)
    mean, std = (np.asarray(values, np.float64) for values in posterior)
    return posterior, (mean - best) / std


def _tail_moment(z, power):
    """The integral of t^power exp(zt - t²/2) over t > 0 for z <= 0: Φ(z)/φ(z) for power 0, E[max(y, 0)]/φ(z) for 1."""
    scale = 1 - z  # the integrand decays over 1/scale
    value, _ = integrate.quad(
        lambda s: s**power * np.exp(z * s / scale - 0.5 * (s / scale) ** 2), 0, 150, epsabs=0, epsrel=1e-12, limit=200
    )
    return value / scale ** (power + 1)


def _log_density(z):
    return -0.5 * z**2 - 0.5 * np.log(2 * np.pi)


def _log_h(z):
    """Logarithm of the expected improvement of a standard Gaussian at z over 0."""
    if z <= 0:
        return _log_density(z) + np.log(_tail_moment(z, 1))
    return np.log(z * stats.norm.cdf(z) + stats.norm.pdf(z))


def _slopes(z):
    """Φ(z)/h(z) and φ(z)/h(z): the derivatives of log h(mean/std) + log std, at std = 1."""
    if z <= 0:
        return _tail_moment(z, 0) / _tail_moment(z, 1), 1 / _tail_moment(z, 1)
    h = z * stats.norm.cdf(z) + stats.norm.pdf(z)
    return stats.norm.cdf(z) / h, stats.norm.pdf(z) / h


def _gradients(log_acquisition, posterior, best):
    """Derivatives with respect to mean, std and best at each point."""
    return _compiled_gradients(log_acquisition, posterior, float(best))


@functools.partial(jax.jit, static_argnames="log_acquisition")
def _compiled_gradients(log_acquisition, posterior, best):

    def at_point(mean, std, best):
        return log_acquisition(Posterior(mean[None], std[None]), best)[0]

    best = jnp.asarray(best, posterior.mean.dtype)
    return jax.vmap(jax.grad(at_point, argnums=(0, 1, 2)), in_axes=(0, 0, None))(*posterior, best)


@pytest.mark.parametrize(("best", "std"), [(0, 1), (-2, 0.25), (0.875, 3.5)])
def test_log_expected_improvement_is_the_integral(dtype, best, std):
    posterior, z = _around(best, LEFT + RIGHT, std, dtype)
    expected = np.log(std) + [_log_h(point) for point in z]
    tolerance = {np.float32: 3e-6, np.float64: 1e-12}[dtype]
    logs = acquisition.log_expected_improvement(posterior, best)
    np.testing.assert_allclose(logs, expected, rtol=tolerance, atol=tolerance)


def test_log_expected_improvement_at_the_asymptote():
    with jax.enable_x64(True):
        z = -np.logspace(3, 8, 11)
        log_h = acquisition.log_expected_improvement(_posterior(z, 1, np.float64), 0)
        np.testing.assert_allclose(log_h, _log_density(z) + np.log(z**-2 - 3 * z**-4), rtol=1e-15)
        np.testing.assert_allclose(log_h[0] + 0.5e6, np.log(1e-6 - 3e-12) - 0.5 * np.log(2 * np.pi), atol=1e-9)


@pytest.mark.parametrize(("best", "std"), [(0, 1), (-2, 0.25), (0.875, 3.5)])
def test_gradients_of_log_expected_improvement(dtype, best, std):
    posterior, z = _around(best, LEFT + RIGHT, std, dtype)
    by_mean, by_std = np.transpose([_slopes(point) for point in z]) / std
    tolerance = {np.float32: 2e-5, np.float64: 1e-11}[dtype]
    gradients = _gradients(acquisition.log_expected_improvement, posterior, best)
    for found, expected in zip(gradients, (by_mean, by_std, -by_mean), strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=1e-30)


def test_expected_improvement_is_the_integral(dtype):
    mean, std, best = [0.3, -1.5, 2.0], [1.0, 0.5, 0.25], 0.25
    integrals = [
        integrate.quad(lambda y, m=m, s=s: (y - best) * stats.norm.pdf(y, m, s), best, m + 10 * s, epsabs=0)[0]
        for m, s in zip(mean, std, strict=True)
    ]
    found = acquisition.expected_improvement(_posterior(mean, std, dtype), best)
    np.testing.assert_allclose(found, integrals, rtol={np.float32: 1e-5, np.float64: 1e-9}[dtype])


def test_expected_improvement_is_the_closed_form(dtype):
    rng = np.random.default_rng(0)
    best = 0.5
    posterior, z = _around(best, rng.uniform(-4, 8, 200), rng.uniform(0.1, 10, 200), dtype)
    expected = np.asarray(posterior.std, np.float64) * (z * stats.norm.cdf(z) + stats.norm.pdf(z))
    found = acquisition.expected_improvement(posterior, best)
    np.testing.assert_allclose(found, expected, rtol={np.float32: 2e-5, np.float64: 1e-12}[dtype])


@pytest.mark.parametrize("name", ["expected_improvement", "probability_of_improvement"])
def test_the_logarithm_ranks_what_the_plain_value_cannot(name):
    posterior = _posterior([-39, -40, -1e4, -2e4, -1e18], 1)
    assert jnp.all(getattr(acquisition, name)(posterior, 0) == 0)
    logs = getattr(acquisition, f"log_{name}")(posterior, 0)
    assert jnp.all(jnp.isfinite(logs))
    assert jnp.all(jnp.diff(logs) < 0)


@given(z=st.floats(-1e4, 1e3), std=st.floats(1e-3, 1e3), step=st.floats(1e-3, 10))
def test_a_better_mean_promises_more(z, std, step):
    with jax.enable_x64(True):
        posterior = _posterior([z * std, (z + step) * std], std, np.float64)
        worse, better = acquisition.log_expected_improvement(posterior, 0)
    assert worse < better


@given(z=st.floats(-1e4, 3), std=st.floats(1e-3, 1e3), factor=st.floats(1.001, 100))
def test_a_wider_posterior_promises_more(z, std, factor):
    with jax.enable_x64(True):
        posterior = _posterior(z * std, [std, std * factor], np.float64)
        worse, better = acquisition.log_expected_improvement(posterior, 0)
    assert worse < better


def test_deviations_that_vanish(dtype):
    mean = np.tile([-1e30, -1e3, -1, 0, 1, 1e3, 1e30], 4)  # as many as other tests have compiled for
    std = np.repeat([0, np.finfo(dtype).tiny], 14)
    posterior = _posterior(mean, std, dtype)
    plain = acquisition.expected_improvement(posterior, 0)
    np.testing.assert_allclose(plain, np.maximum(mean, 0), rtol=2e-5, atol=1e-18)
    for log_acquisition in (acquisition.log_expected_improvement, acquisition.log_probability_of_improvement):
        logs = np.asarray(log_acquisition(posterior, 0))
        assert np.all(np.isfinite(logs))
        assert np.all(np.diff(logs[:7]) >= 0)
        assert not np.any(np.isnan(_gradients(log_acquisition, posterior, 0)))


@pytest.mark.parametrize("function", POINTWISE)
def test_what_is_not_a_number_stays_so(function):
    values = function(_posterior([np.nan, 0, 0], [1, np.nan, 1]), 1.0)
    np.testing.assert_array_equal(jnp.isnan(values), [True, True, False])


@pytest.mark.parametrize(("best", "std"), [(0, 1), (-2, 0.25), (0.875, 3.5)])
def test_probability_of_improvement(dtype, best, std):
    posterior, z = _around(best, LEFT + RIGHT, std, dtype)
    tolerance = {np.float32: 2e-5, np.float64: 1e-12}[dtype]
    logs = acquisition.log_probability_of_improvement(posterior, best)
    np.testing.assert_allclose(logs, stats.norm.logcdf(z), rtol=tolerance, atol=1e-30)
    is_representable = z > -8
    plain = acquisition.probability_of_improvement(posterior, best)
    np.testing.assert_allclose(plain[is_representable], stats.norm.cdf(z)[is_representable], rtol=tolerance)


def test_gradients_of_the_log_probability_of_improvement(dtype):
    best, std = 0.875, 3.5
    posterior, z = _around(best, LEFT + RIGHT, std, dtype)
    by_mean = np.array([1 / _tail_moment(t, 0) if t <= 0 else stats.norm.pdf(t) / stats.norm.cdf(t) for t in z]) / std
    tolerance = {np.float32: 2e-5, np.float64: 1e-11}[dtype]
    gradients = _gradients(acquisition.log_probability_of_improvement, posterior, best)
    for found, expected in zip(gradients, (by_mean, -z * by_mean, -by_mean), strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=1e-30)


def test_upper_confidence_bound():
    posterior = _posterior([1.0, -2.0], [0.5, 3.0])
    np.testing.assert_allclose(acquisition.upper_confidence_bound(posterior, 4), [2.0, 4.0])
    np.testing.assert_allclose(acquisition.upper_confidence_bound(posterior, 0), posterior.mean)


def test_thompson_draws_are_those_of_independent_gaussians():
    mean, std = np.array([1.0, -2.0, 0.0]), np.array([0.5, 3.0, 0.0])
    draws = acquisition.thompson_draws(_posterior(mean, std), jax.random.key(0), 20_000)
    assert draws.shape == (20_000, 3)
    np.testing.assert_allclose(np.mean(draws, axis=0), mean, atol=5 * np.max(std) / 20_000**0.5)
    np.testing.assert_allclose(np.std(draws, axis=0), std, rtol=0.03)
    assert abs(np.corrcoef(draws[:, 0], draws[:, 1])[0, 1]) < 5 / 20_000**0.5
    assert stats.kstest((np.asarray(draws[:, 1]) + 2) / 3, "norm").pvalue > 1e-3


def test_thompson_draws_follow_the_key():
    posterior = _posterior(np.zeros(4), 1)
    first, again, other = (acquisition.thompson_draws(posterior, jax.random.key(seed), 3) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique([first, other])) == 2 * 3 * 4


@pytest.mark.parametrize("function", POINTWISE)
def test_results_are_vectors_of_the_posteriors_dtype(dtype, function):
    for scalar in (1, 1.0, np.float64(1), jnp.asarray(1, dtype)):
        values = function(_posterior(np.zeros(5), 1, dtype), scalar)
        assert values.shape == (5,)
        assert values.dtype == dtype
    assert function(_posterior([], [], dtype), 1.0).shape == (0,)


@pytest.mark.parametrize("function", POINTWISE)
def test_new_values_compile_nothing(function, caplog):
    first, second = (_posterior(np.full(23, value), value) for value in (1.0, 2.0))  # a size that no other test has
    with jax.log_compiles():
        function(first, 0.5)
        assert "Compiling" in caplog.text
        caplog.clear()
        function(second, 0.75)
        assert "Compiling" not in caplog.text


@pytest.mark.parametrize("function", POINTWISE)
def test_a_vector_of_incumbents_is_refused(function):
    with pytest.raises(ValueError, match="scalar"):
        function(_posterior(np.zeros(5), 1), np.zeros(5))
