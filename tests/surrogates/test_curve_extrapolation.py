"""Extrapolation of one curve: against curves whose continuation is known."""

import numpy as np
import pytest

from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.curve_extrapolation import FAMILIES, CurveExtrapolation, _curve

EPOCHS = np.arange(1, 13)
ALL = CurveExtrapolation()


def predict(extrapolation, epochs, values, asked):
    """The posterior, in NumPy's arrays."""
    return Posterior(*map(np.asarray, extrapolation.predict(extrapolation.fit(epochs, values), asked)))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "curve", [lambda t: 3 + 2 * np.exp(-t / 4), lambda t: 3 + 2 * t**-1.0], ids=["exponential", "power"]
)
def test_the_asymptote_of_a_noiseless_curve(curve, sign):
    late = np.array([200])
    found = CurveExtrapolation(drift=0.0)
    posterior = predict(found, EPOCHS, sign * curve(EPOCHS), late)
    fall_left = abs(curve(12.0) - curve(200.0))
    assert abs(posterior.mean[0] - sign * curve(late)[0]) < 0.35 * fall_left + 0.01


def test_what_was_seen_is_predicted():
    values = 3 + 2 * np.exp(-EPOCHS / 4)
    posterior = predict(ALL, EPOCHS, values, EPOCHS)
    np.testing.assert_allclose(posterior.mean, values, atol=0.05)


@pytest.mark.parametrize(("factor", "shift"), [(50.0, -7.0), (-0.01, 1.0)])
def test_units_of_values_and_of_epochs_do_not_matter(factor, shift):
    values = 3 + 2 * EPOCHS**-0.6 + 0.03 * np.random.default_rng(0).normal(size=12)
    asked = np.array([12, 20, 60])
    one = predict(ALL, EPOCHS, values, asked)
    other = predict(ALL, 200 * EPOCHS, shift + factor * values, 200 * asked)
    np.testing.assert_allclose(other.mean, shift + factor * np.asarray(one.mean), rtol=1e-3)
    np.testing.assert_allclose(other.std, abs(factor) * np.asarray(one.std), rtol=1e-2)


def test_the_order_of_points_does_not_matter():
    values, order = 3 + 2 * EPOCHS**-0.6, np.random.default_rng(0).permutation(12)
    one, other = ALL.fit(EPOCHS, values), ALL.fit(EPOCHS[order], values[order])
    np.testing.assert_array_equal(ALL.predict(one, [60]).mean, ALL.predict(other, [60]).mean)


def test_curves_of_the_families_end_within_the_interval():
    rng, inside = np.random.default_rng(1), []
    for name in [*FAMILIES] * 4:
        coordinates = rng.normal(size=2 + len(FAMILIES[name].log_mean))
        time = np.append(EPOCHS, 60) / 12
        values = _curve(FAMILIES[name], 1 / 12, time, coordinates) + 0.05 * rng.normal(size=13)
        posterior = predict(ALL, EPOCHS, values[:-1], [60])
        inside.append(abs(values[-1] - posterior.mean[0]) < 1.96 * posterior.std[0])
    assert np.mean(inside) >= 0.88  # of 24


@pytest.mark.parametrize("num", [1, 2, 3])
def test_few_points_leave_more_open_than_many(num):
    values = 3 + 2 * np.exp(-EPOCHS / 4)
    few = predict(ALL, EPOCHS[:num], values[:num], [60])
    many = predict(ALL, EPOCHS, values, [60])
    assert np.isfinite(few.mean[0])
    assert few.std[0] > 2 * many.std[0]
    assert abs(few.mean[0] - 3) < 1.96 * few.std[0]


def test_later_epochs_are_less_certain():
    std = predict(ALL, EPOCHS, 3 + 2 * EPOCHS**-0.6, [12, 20, 40, 100]).std
    assert np.all(np.diff(std) > 0)


def test_a_constant_curve_stays_where_it_is():
    posterior = predict(ALL, EPOCHS, np.full(12, 0.7), [60])
    assert abs(posterior.mean[0] - 0.7) < 0.01
    assert posterior.std[0] < 0.1
    small = CurveExtrapolation(unit=1e-3)
    assert predict(small, EPOCHS, np.full(12, 0.7), [60]).std[0] == pytest.approx(1e-3 * posterior.std[0], rel=1e-3)


@pytest.mark.parametrize(
    ("epochs", "values"), [([], []), ([1, 2], [1.0]), ([0, 1], [1.0, 2.0]), ([1, 2], [1.0, np.nan])]
)
def test_points_that_make_no_curve(epochs, values):
    with pytest.raises(ValueError, match="epochs"):
        ALL.fit(epochs, values)


def test_masked_values_are_refused():
    with pytest.raises(ValueError, match="values must have no masked entries"):
        ALL.fit([1, 2], np.ma.masked_array([1.0, 99.0], mask=[False, True]))


def test_settings_and_epochs_that_cannot_be():
    with pytest.raises(ValueError, match="drift"):
        CurveExtrapolation(drift=-1.0)
    with pytest.raises(ValueError, match="positive"):
        predict(ALL, [1, 2], [1.0, 0.5], [0])
