"""Metrics against closed forms and SciPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from nas_jax.surrogates import metrics
from nas_jax.surrogates.base import Posterior, as_posterior


def _posterior(mean, std):
    return Posterior(jnp.asarray(mean, jnp.float32), jnp.asarray(std, jnp.float32))


def test_ranks_of_a_known_order():
    measured = [1.0, 2.0, 3.0, 4.0]
    assert metrics.kendall_tau([10, 20, 30, 40], measured) == pytest.approx(1)
    assert metrics.spearman([40, 30, 20, 10], measured) == pytest.approx(-1)
    assert metrics.kendall_tau([1, 2, 4, 3], measured) == pytest.approx(1 - 2 * 1 / 6)  # one pair of six is swapped
    assert metrics.spearman([1, 2, 4, 3], measured) == pytest.approx(1 - 6 * 2 / (4 * 15))


def test_ranks_survive_any_increasing_function():
    first, second = np.random.default_rng(0).normal(size=(2, 30))
    for measure in (metrics.kendall_tau, metrics.spearman):
        assert measure(np.exp(first), second**3) == pytest.approx(measure(first, second))


def test_ranks_of_a_constant_are_nan():
    assert np.isnan(metrics.kendall_tau([1, 1, 1], [1, 2, 3]))
    assert np.isnan(metrics.spearman([1, 2, 3], [1, 1, 1]))
    assert np.isnan(metrics.kendall_tau([1], [2]))


def test_rmse():
    assert metrics.rmse([0, 0], [3, 4]) == pytest.approx(12.5**0.5)


def test_nlpd_is_the_density_of_scipy():
    mean, std, y = [0.0, 1.0, -2.0], [1.0, 0.5, 3.0], [0.3, 1.5, 4.0]
    expected = -np.mean(stats.norm(mean, std).logpdf(y))
    assert metrics.nlpd(_posterior(mean, std), y) == pytest.approx(expected, rel=1e-6)


def test_densities_that_are_too_small_for_numbers_are_infinitely_unlikely():
    assert metrics.nlpd(as_posterior([0.0, 1.0], [1e-3, 1.0], np.float64), [-1e299, 1.0]) == np.inf


def test_nlpd_shifts_with_the_units():
    mean, std, y = np.array([0.0, 1.0]), np.array([1.0, 0.5]), np.array([0.5, -1.0])
    shift = metrics.nlpd(_posterior(8 * mean, 8 * std), 8 * y) - metrics.nlpd(_posterior(mean, std), y)
    assert shift == pytest.approx(np.log(8), rel=1e-6)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_coverage_of_true_quantiles_is_the_level(level):
    y = stats.norm(2, 3).ppf((np.arange(1000) + 0.5) / 1000)
    assert metrics.coverage(_posterior(np.full(1000, 2), np.full(1000, 3)), y, level) == pytest.approx(level, abs=2e-3)


def test_crps_is_the_integral_of_the_squared_difference_of_distributions():
    mean, std, y = [0.0, 1.0, -2.0], [1.0, 0.5, 3.0], [0.3, 2.5, -4.0]
    integrals = [
        integrate.quad(lambda t, m=m, s=s: stats.norm.cdf(t, m, s) ** 2, -50, observed)[0]
        + integrate.quad(lambda t, m=m, s=s: stats.norm.sf(t, m, s) ** 2, observed, 50)[0]
        for m, s, observed in zip(mean, std, y, strict=True)
    ]
    assert metrics.crps(_posterior(mean, std), y) == pytest.approx(np.mean(integrals), rel=1e-6)


def test_crps_of_sure_predictions_is_the_absolute_error():
    assert metrics.crps(_posterior([0, 0, 1], np.full(3, 1e-9)), [3, -4, 1]) == pytest.approx(7 / 3)


def test_sharpness_is_the_mean_width():
    posterior = _posterior([5.0, -7.0, 0.0], [1.0, 2.0, 3.0])
    assert metrics.sharpness(posterior) == pytest.approx(2 * 1.959964 * 2)
    assert metrics.sharpness(posterior, level=stats.norm.cdf(1) - stats.norm.cdf(-1)) == pytest.approx(2 * 2)


def test_calibration_of_true_quantiles_lies_on_the_diagonal():
    y = stats.norm(2, 3).ppf((np.arange(1000) + 0.5) / 1000)
    posterior = _posterior(np.full(1000, 2), np.full(1000, 3))
    levels, observed = metrics.calibration_curve(posterior, y)
    np.testing.assert_allclose(levels, np.arange(0.05, 0.99, 0.05))
    np.testing.assert_allclose(observed, levels, atol=2e-3)
    assert metrics.calibration_error(posterior, y) < 2e-3


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_calibration_of_wrong_deviations(factor):
    y = np.random.default_rng(0).normal(size=40_000)
    posterior = _posterior(np.zeros(40_000), np.full(40_000, factor))
    levels, observed = metrics.calibration_curve(posterior, y, levels=[0.1, 0.5, 0.9])
    expected = 2 * stats.norm.cdf(factor * stats.norm.ppf(0.5 + levels / 2)) - 1  # of a standard Gaussian
    np.testing.assert_allclose(observed, expected, atol=0.01)
    error = metrics.calibration_error(posterior, y, levels=[0.1, 0.5, 0.9])
    assert error == pytest.approx(np.mean(np.abs(expected - levels)), abs=0.01)


def test_calibration_error_by_chance():
    y = np.random.default_rng(0).normal(size=(500, 100))
    errors = [metrics.calibration_error(_posterior(np.zeros(100), np.ones(100)), row) for row in y]
    assert np.mean(errors) == pytest.approx(0.32 / 10, rel=0.1)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="one length"):
        metrics.rmse([1, 2], [1])
    with pytest.raises(ValueError, match="level"):
        metrics.coverage(_posterior([0], [1]), [0], level=1.0)
    with pytest.raises(ValueError, match="level"):
        metrics.sharpness(_posterior([0], [1]), level=0.0)
    with pytest.raises(ValueError, match="level"):
        metrics.calibration_curve(_posterior([0], [1]), [0], levels=[0.5, 95])
    with pytest.raises(ValueError, match="one length"):
        metrics.calibration_error(_posterior([0], [1]), [0, 1])
    with pytest.raises(ValueError, match="one length"):
        metrics.nlpd(_posterior([0, 1], [1]), [0, 1])


def test_what_is_no_number_is_refused_and_nan_stays_nan():
    masked = np.ma.masked_array([1.0, 2.0, 99.0], mask=[False, False, True])
    for wrong in (masked, ["1", "2", "3"], [1j, 2j, 3j]):
        for measure in (metrics.rmse, metrics.kendall_tau, metrics.spearman):
            with pytest.raises(ValueError, match="measurements must"):
                measure([1.0, 2.0, 3.0], wrong)
    posterior = _posterior([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    for measure in (metrics.coverage, metrics.nlpd, metrics.crps, metrics.calibration_error):
        assert np.isnan(measure(posterior, [0.0, np.nan, 0.0]))
