"""The process of curves: against its formula in NumPy, and against curves that are drawn from it."""

from statistics import NormalDist

import numpy as np
import pytest

from nas_jax.surrogates import curve_process
from nas_jax.surrogates.curve_process import CurveProcess, Curves

NAMES = list(curve_process._PRIORS)


def hyperparameters(coordinates):
    found = {}
    for name, z in zip(NAMES, coordinates, strict=False):
        mean, deviation = curve_process._PRIORS[name]
        value = mean + deviation * z
        found[name] = 1 / (1 + np.exp(-value)) if name.endswith("share") else np.exp(value)
    return found


def matern32(distance):
    return (1 + np.sqrt(3) * distance) * np.exp(-np.sqrt(3) * distance)


def matern52(distance):
    return (1 + np.sqrt(5) * distance + 5 / 3 * distance**2) * np.exp(-np.sqrt(5) * distance)


def beginnings_of(curves, y):
    """Of each training the normal score of its first value."""
    is_first = curves.share == curves.share.min()
    ascending = sorted(y[is_first])
    quantiles = [(ascending.index(value) + 0.5) / len(ascending) for value in y[is_first]]
    return dict(zip(curves.training[is_first], map(NormalDist().inv_cdf, quantiles), strict=True))


def covariance(one, other, coordinates, group, num_varying, beginnings):
    """Term by term from the formula of the module, one pair of points at a time."""
    h, result = hyperparameters(coordinates), np.zeros((len(one.share), len(other.share)))
    lengths = np.exp(-0.3 + np.asarray(coordinates)[len(NAMES) :][group]) * np.sqrt(num_varying)
    for i, (x, u, a) in enumerate(zip(*one, strict=True)):
        for j, (x_other, v, b) in enumerate(zip(*other, strict=True)):
            apart = abs(u - v)
            alike = matern52(np.sqrt(np.sum(((x - x_other) / lengths) ** 2)))
            f = h["feature_std"] ** 2 * h["feature_share"] * alike
            g = h["feature_std"] ** 2 * (1 - h["feature_share"]) * alike * matern32(apart / h["feature_length"])
            s = h["feature_slope_std"] ** 2 * alike * (1 - u) * (1 - v)
            own = 0.0
            if a == b:
                own = h["own_std"] ** 2 * h["own_share"]
                own += h["own_std"] ** 2 * (1 - h["own_share"]) * np.exp(-apart / h["own_length"])
                own += h["own_slope_std"] ** 2 * (1 - u) * (1 - v)
            near = float(a == b)
            if a in beginnings and b in beginnings:
                near = matern32(abs(beginnings[a] - beginnings[b]) / h["beginning_length"])
            own += h["beginning_std"] ** 2 * near * u * v
            result[i, j] = h["trend_std"] ** 2 * matern32(apart / h["trend_length"]) + f + g + s + own
    return result


def drawn_points(rng, num_trainings, shares, stopped_after=None):
    """Features in three columns, the last of which does not vary; the second half of the trainings is stopped."""
    features = np.append(rng.uniform(size=(num_trainings, 2)), np.full((num_trainings, 1), 0.5), axis=1)
    limits = np.where(np.arange(num_trainings) * 2 < num_trainings, 1.0, stopped_after or 1.0)
    told = np.array([(i, u) for i in range(num_trainings) for u in shares if u <= limits[i]])
    training = told[:, 0].astype(int)
    return features, Curves(features[training], told[:, 1], training)


def log_posterior(curves, y, coordinates, group):
    scaled = (y - y.mean()) / y.std()
    of_y = covariance(curves, curves, coordinates, group, 2, beginnings_of(curves, y))
    of_y += (hyperparameters(coordinates)["noise_std"] ** 2 + 1e-6) * np.eye(len(y))
    determinant = np.linalg.slogdet(of_y)[1]
    return -0.5 * (scaled @ np.linalg.solve(of_y, scaled) + determinant + np.sum(np.square(coordinates)))


@pytest.mark.parametrize("groups", [None, ("a", "b", "a")])
def test_predictions_follow_the_formula(groups):
    rng = np.random.default_rng(0)
    features, curves = drawn_points(rng, 6, [0.0, 0.3, 0.6, 1.0], stopped_after=0.3)
    group = np.array([0, 0, 0] if groups is None else [0, 1, 0])
    coordinates = rng.normal(size=len(NAMES) + group.max() + 1)
    y = 5 + 2 * rng.normal(size=len(curves.share))
    asked = Curves(np.append(features, rng.uniform(size=(1, 3)), axis=0), rng.uniform(size=7), np.arange(7))
    process = CurveProcess(groups=groups)
    state = process.condition(curves, y, coordinates)
    found, measured = process.predict(state, asked), process.predict(state, asked, with_noise=True)

    known = beginnings_of(curves, y)
    of_y = covariance(curves, curves, coordinates, group, 2, known)
    of_y += (hyperparameters(coordinates)["noise_std"] ** 2 + 1e-6) * np.eye(len(y))
    between = covariance(curves, asked, coordinates, group, 2, known)
    mean = y.mean() + between.T @ np.linalg.solve(of_y, y - y.mean())
    of_asked = covariance(asked, asked, coordinates, group, 2, known)
    variance = np.diag(of_asked - between.T @ np.linalg.solve(of_y, between))
    np.testing.assert_allclose(found.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(found.std, y.std() * np.sqrt(variance), rtol=1e-5)
    noise = hyperparameters(coordinates)["noise_std"]
    np.testing.assert_allclose(measured.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(measured.std, y.std() * np.sqrt(variance + noise**2), rtol=1e-5)


def test_optimising_raises_the_posterior_density():
    rng = np.random.default_rng(1)
    features, curves = drawn_points(rng, 6, [0.0, 0.3, 0.6, 1.0])
    y = 3 * features[curves.training, 0] - curves.share + 0.01 * rng.normal(size=len(curves.share))
    group, found = np.zeros(3, int), CurveProcess().optimise(curves, y)
    before, after = (log_posterior(curves, y, each, group) for each in (np.zeros(len(found)), found))
    assert after > before + 1
    for _ in range(5):  # it is near a maximum
        assert log_posterior(curves, y, found + 0.5 * rng.normal(size=len(found)), group) < after


def test_a_falling_curve_ends_lower_and_one_at_rest_where_it_is():
    rng, shares = np.random.default_rng(2), np.linspace(0, 1, 6)
    _, curves = drawn_points(rng, 12, shares, stopped_after=0.4)
    x = np.full_like(curves.x, 0.5)  # features tell nothing
    falls = np.where(np.arange(12) % 2 == 0, 1.0, 0.0)  # every second training falls all the way
    y = 2 - falls[curves.training] * curves.share + 0.01 * rng.normal(size=len(curves.share))
    process = CurveProcess()
    state = process.fit(Curves(x, curves.share, curves.training), y)
    stopped = np.arange(6, 12)
    ends = np.asarray(process.predict(state, Curves(x[:6], np.ones(6), stopped)).mean)
    np.testing.assert_allclose(ends[falls[stopped] == 0], 2.0, atol=0.2)
    assert np.all(ends[falls[stopped] == 1] < 1.6 - 0.2)  # they were seen to fall to 1.6


def test_beginnings_tell_of_ends_whatever_their_order():
    """Who begins in the middle falls at the end alone: so will those that stopped before, by how they began."""
    rng, num = np.random.default_rng(7), 48
    first = rng.permutation(np.linspace(0.0, 1.0, num))
    end = first - 2.0 * np.exp(-(((first - 0.5) / 0.2) ** 2))
    training, share = np.repeat(np.arange(num), 3), np.tile([0.0, 0.5, 1.0], num)
    y = np.where(share == 1.0, end[training], first[training]) + 0.01 * rng.normal(size=len(share))
    is_told = (training < num - 6) | (share < 1.0)
    x = np.full((len(share), 1), 0.5)  # features tell nothing
    process = CurveProcess()
    state = process.fit(Curves(x[is_told], share[is_told], training[is_told]), y[is_told])
    found = process.predict(state, Curves(x[:6], np.ones(6), np.arange(num - 6, num)))
    np.testing.assert_allclose(found.mean, end[-6:], atol=0.4)  # without beginnings it errs by 1.2
    assert np.ptp(end[-6:]) > 1.5


def test_ends_of_curves_that_it_draws_lie_within_the_interval():
    rng, shares, inside = np.random.default_rng(3), [0.0, 0.2, 0.4, 0.7, 1.0], []
    for _ in range(8):
        features, whole = drawn_points(rng, 12, shares)
        coordinates = np.zeros(len(NAMES) + 1)
        coordinates[:-1] = 0.5 * rng.normal(size=len(NAMES))
        drawn = dict(enumerate(rng.normal(size=12)))
        of_y = covariance(whole, whole, coordinates, np.zeros(3, int), 2, drawn)
        function = np.linalg.cholesky(of_y + 1e-9 * np.eye(len(of_y))) @ rng.normal(size=len(of_y))
        noise = hyperparameters(coordinates)["noise_std"]
        is_told = (whole.training < 6) | (whole.share <= 0.4)
        told = Curves(*(part[is_told] for part in whole))
        process = CurveProcess()
        state = process.fit(told, (function + noise * rng.normal(size=len(function)))[is_told])
        found = process.predict(state, Curves(features[6:], np.ones(6), np.arange(6, 12)))
        ends = function[(whole.training >= 6) & (whole.share == 1.0)]
        inside += list(np.abs(ends - np.asarray(found.mean)) < 1.96 * np.asarray(found.std))
    assert np.mean(inside) >= 0.8  # of 48, in eight groups that share hyperparameters


def test_trainings_of_new_numbers_know_nothing_of_their_own():
    """Beside a training that was seen, one of the same features is less certain."""
    rng = np.random.default_rng(4)
    features, curves = drawn_points(rng, 5, [0.0, 0.5])
    process = CurveProcess()
    state = process.condition(curves, rng.normal(size=10), np.zeros(len(NAMES) + 1))
    std = np.asarray(process.predict(state, Curves(features[[0, 0]], np.ones(2), np.array([0, 99]))).std)
    assert std[1] > std[0]


@pytest.mark.parametrize(
    ("x", "share", "y"),
    [
        (np.zeros((0, 2)), [], []),
        (np.zeros((2, 2)), [0.0, 1.0], [1.0]),
        (np.zeros((2, 2)), [0.0, np.nan], [1.0, 2.0]),
        (np.zeros((2, 2)), [0.0, 1.0], [1.0, np.inf]),
    ],
)
def test_points_that_make_no_curves(x, share, y):
    curves = Curves(x, np.array(share), np.zeros(len(share), int))
    with pytest.raises(ValueError, match="curves and y must"):
        CurveProcess().fit(curves, np.array(y))


def test_values_that_do_not_vary_leave_it_as_uncertain_as_any_others():
    """Chance accuracy, say: the mean of seven times .1 is not .1, and their deviation not zero."""
    curves = Curves(np.linspace(0, 1, 7)[:, None], np.zeros(7), np.arange(7))
    asked = Curves(np.array([[0.5]]), np.ones(1), np.array([99]))
    process, deviations = CurveProcess(), []
    for value in (0.1, 0.5):
        posterior = process.predict(process.fit(curves, np.full(7, value)), asked)
        assert posterior.mean == pytest.approx([value])
        deviations.append(float(posterior.std[0]))
    assert deviations[0] == pytest.approx(deviations[1])
    assert deviations[0] > 0.1


def test_masked_values_are_refused():
    curves = Curves(np.zeros((2, 1)), np.array([0.0, 1.0]), np.array([0, 1]))
    with pytest.raises(ValueError, match="y must have no masked entries"):
        CurveProcess().fit(curves, np.ma.masked_array([1.0, 99.0], mask=[False, True]))


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="max_evaluations"):
        CurveProcess(max_evaluations=0)
