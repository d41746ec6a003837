"""Warps against SciPy, simulation and each other."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import check_grad

from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.warps import Identity, LogDistance, SinhArcsinh, _negative_log_density, warp_of

WARPS = [
    Identity(),
    LogDistance(1.0),
    SinhArcsinh(0.3, 0.2, -0.8, 0.6),
    SinhArcsinh(0.0, 1.0, 1.5, 1.4),
    SinhArcsinh(0.1, 0.2, 0.3, 0.9, -0.5, 0.4, 0.1),
]


def _skewed(n=400):
    return 1.0 - np.random.default_rng(0).gamma(0.7, size=n)


@pytest.mark.parametrize("warp", WARPS, ids=str)
def test_inverse_and_slope(warp):
    y = np.linspace(-3.0, 0.95, 50)
    np.testing.assert_allclose(warp.inverse(warp.forward(y)), y, rtol=1e-9, atol=1e-9)
    step = 1e-6
    np.testing.assert_allclose(warp.slope(y), (warp.forward(y + step) - warp.forward(y - step)) / (2 * step), rtol=1e-6)
    assert np.all(np.diff(warp.forward(y)) > 0)


@pytest.mark.parametrize("warp", WARPS, ids=str)
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-1.5, 0.3), (0.8, 0.01), (2.0, 0.7)])
def test_moments_are_those_of_what_is_normal_on_the_warped_scale(warp, mean, std):
    def expectation(power, centre=0.0):
        return quad(
            lambda u: (float(warp.inverse(np.array([u]))[0]) - centre) ** power * stats.norm(mean, std).pdf(u),
            mean - 12 * std,
            mean + 12 * std,
            limit=500,
        )[0]

    centre = expectation(1)
    ours = warp.moments(np.array([mean]), np.array([std]))
    np.testing.assert_allclose(ours[0], centre, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours[1], expectation(2, centre) ** 0.5, rtol=5e-3)


@pytest.mark.parametrize("value", [0.0, 1.0, -1e16, 1e17, 1e25])
def test_equal_targets_have_the_scale_one_however_far_they_are(value):
    mean, std = warp_of("sinh_arcsinh", np.full(4, value), None).moments(np.zeros(2), np.array([0.5, 2.0]))
    assert mean.tolist() == [value, value]
    assert std.tolist() == [0.5, 2.0]


@settings(max_examples=50, deadline=None)
@given(z=st.tuples(st.floats(-2, 2), st.floats(-0.9, 0.9), st.floats(-2, 2), st.floats(-1, 1)))
def test_the_gradient_of_the_fit_is_that_of_differences(z):
    y = np.linspace(-2, 1.5, 9)
    z = np.array(z)
    value, gradient = _negative_log_density(z, y)
    error = check_grad(lambda z: _negative_log_density(z, y)[0], lambda z: _negative_log_density(z, y)[1], z)
    assert error < 1e-4 * max(1.0, abs(value), float(np.max(np.abs(gradient))))


def test_the_density_is_that_of_the_change_of_variables():
    """Two warps' log densities differ by those of the normal at the warped targets and by the slopes."""
    y = np.linspace(-2, 1.5, 9)
    for z in ([0.7, -0.3, 0.2, 0.4], [-0.5, 0.2, -0.1, -0.6]):
        warp = SinhArcsinh(location=z[2], scale=np.exp(z[3]), skewness=z[0], tail=np.exp(z[1]))
        log_density = np.sum(stats.norm.logpdf(warp.forward(y)) + np.log(warp.slope(y)))
        expected = -log_density - stats.norm(0, 0.5).logpdf(z).sum()
        constant = 9 * 0.5 * np.log(2 * np.pi) + 4 * (0.5 * np.log(2 * np.pi) + np.log(0.5))
        np.testing.assert_allclose(_negative_log_density(np.array(z), y)[0], expected - constant, rtol=1e-10)


def test_skewed_targets_become_more_normal_and_normal_ones_stay():
    skewed = _skewed()
    warped = warp_of("sinh_arcsinh", skewed, None).forward(skewed)
    assert abs(stats.skew(warped)) < 0.25 * abs(stats.skew(skewed))
    normal = np.random.default_rng(0).normal(5.0, 3.0, 400)
    kept = warp_of("sinh_arcsinh", normal, None).forward(normal)
    assert np.corrcoef(normal, kept)[0, 1] > 0.995


def test_few_targets_are_hardly_bent():
    for y in (np.array([0.2, 0.9]), np.array([1.0, 2.0, 4.0])):
        warped = warp_of("sinh_arcsinh", y, None).forward(y)
        assert np.corrcoef(y, warped)[0, 1] > 0.98


@pytest.mark.parametrize(("shift", "scale"), [(1e6, 1.0), (0.0, 1e-12), (-3.0, 1e12)])
def test_units_of_the_targets_do_not_matter(shift, scale):
    y = _skewed()
    plain = warp_of("sinh_arcsinh", y, None)
    moved = warp_of("sinh_arcsinh", scale * (y + shift), None)
    np.testing.assert_allclose(moved.forward(scale * (y + shift)), plain.forward(y), rtol=1e-2, atol=1e-3)
    assert moved.tail == pytest.approx(plain.tail, rel=1e-3)


def test_log_distance_is_the_logarithm_by_hand():
    """Fitting -log(bound - y) by hand gives the same state; the moments are those of draws mapped back."""
    x = np.random.default_rng(0).uniform(size=(20, 3))
    y = 0.98 - 0.5 * np.abs(np.sin(3 * x[:, 0]))
    key = jax.random.key(0)
    bounded, plain = GaussianProcess(warp="log_distance", upper_bound=1.0), GaussianProcess(warp="identity")
    state, by_hand = bounded.fit(key, x, y), plain.fit(key, x, -np.log(1.0 - y))
    np.testing.assert_allclose(state.lengthscales, by_hand.lengthscales, rtol=1e-6)
    x_new = np.random.default_rng(1).uniform(size=(5, 3))
    normal, mapped = plain.predict(by_hand, x_new), bounded.predict(state, x_new)
    draws = np.random.default_rng(2).normal(normal.mean, normal.std, size=(400_000, 5))
    values = 1.0 - np.exp(-draws)
    np.testing.assert_allclose(mapped.mean, values.mean(axis=0), atol=4 * values.std() / 600)
    np.testing.assert_allclose(mapped.std, values.std(axis=0), rtol=0.05)
    assert np.all(np.asarray(mapped.mean) < 1.0)


def test_a_warped_fit_ranks_skewed_targets_better():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(240, 4))
    y = -np.exp(4 * np.sin(3 * x[:, 0]) + 2 * x[:, 1])
    results = {}
    for warp in ("identity", "sinh_arcsinh"):
        gp = GaussianProcess(warp=warp)
        mean = gp.predict(gp.fit(jax.random.key(0), x[:40], y[:40]), x[40:]).mean
        results[warp] = stats.kendalltau(mean, y[40:]).statistic
    assert results["sinh_arcsinh"] > results["identity"] + 0.02


def test_targets_without_outliers_are_warped_as_if_there_were_no_bounds():
    y = np.random.default_rng(0).normal(size=500)
    warp = warp_of("sinh_arcsinh", y, None)
    assert warp.low < y.min()
    assert y.max() < warp.high
    unbounded = SinhArcsinh(warp.location, warp.scale, warp.skewness, warp.tail)
    np.testing.assert_array_equal(warp.forward(y), unbounded.forward(y))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("distance", [1e3, 1e9])
def test_an_outlier_does_not_make_the_others_alike(sign, distance):
    y = np.append(np.linspace(0, 1, 40), sign * distance)
    warp = warp_of("sinh_arcsinh", y, None)
    warped = warp.forward(y)
    assert np.ptp(warped[:40]) / np.std(warped) > 0.8  # uniform targets without an outlier: 3.4
    np.testing.assert_allclose(warp.inverse(warped), y, rtol=1e-6, atol=1e-9)
    assert np.all(np.diff(np.sort(warped)) > 0)


def test_few_distinct_targets_have_no_outliers():
    y = np.append(np.zeros(30), [1.0, 100.0])
    assert warp_of("sinh_arcsinh", y, None).high == 1e30


def test_targets_that_differ_by_less_than_a_float_can_count_have_no_outliers():
    """The spread of all but one is the smallest that there is; in units of it, that one is beyond all floats."""
    y = np.array([-2.2e-311, -1.0, *[0.0] * 9])
    y[2:6] = 4.4e-311
    warp = warp_of("sinh_arcsinh", y, None)
    assert np.isfinite(warp.forward(y)).all()
    assert np.argmin(warp.forward(y)) == 1


@pytest.mark.parametrize("num", [2, 3, 5])
def test_few_targets_promise_nothing_beyond_reason(num):
    """A wide prediction reaches far beyond targets none of which is an outlier."""
    warp = warp_of("sinh_arcsinh", np.linspace(-0.7, 0.7, num), None)
    mean, std = warp.moments(np.zeros(1), np.full(1, 4.0))
    assert abs(mean[0]) < 1
    assert std[0] < 10
