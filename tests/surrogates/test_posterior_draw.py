"""Draws of hyperparameters against densities by SciPy and a quadrature."""

import jax
import numpy as np
import pytest
from scipy.stats import invgamma, multivariate_normal

from nas_jax.surrogates import posterior_draw
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.kernels import stationary_kernel
from nas_jax.surrogates.padding import Rows, pad
from nas_jax.surrogates.posterior_draw import draw_hyperparameters
from nas_jax.surrogates.programs import correlation_of_rows, predict

KERNEL = stationary_kernel("matern52")
DRAWN = GaussianProcess(ard=False, hyperparameters="drawn", warp="identity")


def _matern52(x, lengthscale):
    distance = np.sqrt(5) * np.linalg.norm(x[:, None] - x[None], axis=2) / lengthscale
    return (1 + distance + distance**2 / 3) * np.exp(-distance)


def _data(n=20, d=3, lengthscale=1.5, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n, d))
    covariance = _matern52(x, lengthscale) + noise * np.eye(n)
    y = rng.multivariate_normal(np.zeros(n), covariance)
    return x, (y - y.mean()) / y.std()


def test_the_grid_holds_the_marginal_density():
    """The signal variance integrated out by quadrature; differences between cells, since a constant is left out."""
    x, y = _data()
    lengthscales, ratios = np.array([0.5, 2.0]), np.array([0.01, 0.3])
    found, _ = posterior_draw._grid_densities(KERNEL, lengthscales, ratios, pad(x, y, 0 * y))
    log_variances = np.linspace(-8, 8, 2001)
    expected = np.empty((2, 2))
    for i, lengthscale in enumerate(lengthscales):
        for j, ratio in enumerate(ratios):
            shape = _matern52(x, lengthscale) + ratio * np.eye(len(y))
            integrand = [
                multivariate_normal.logpdf(y, cov=np.exp(v) * shape) + invgamma.logpdf(np.exp(v), 1.0, scale=1.0) + v
                for v in log_variances
            ]
            expected[i, j] = np.log(np.trapezoid(np.exp(np.array(integrand) - max(integrand)), log_variances)) + max(
                integrand
            )
    np.testing.assert_allclose(found - found[0, 0], expected - expected[0, 0], rtol=1e-5)


def test_padding_changes_nothing():
    x, y = _data(n=40)
    padded = pad(x, y, 0 * y)
    bare = Rows(*(part[:40] for part in padded))
    whole, exact = (
        posterior_draw._grid_densities(KERNEL, np.array([1.0]), np.array([0.1]), rows) for rows in (padded, bare)
    )
    np.testing.assert_allclose(whole, exact, rtol=1e-9)


def test_a_growing_data_set_compiles_the_kernel_once_a_size_and_nothing_else(caplog):
    x, y = _data(n=66, d=7)  # a number of features that no other test has
    DRAWN.fit(jax.random.key(0), x[:1], y[:1])  # compiles what draws random numbers
    before = correlation_of_rows._cache_size()
    with jax.log_compiles():
        for n in range(31, 67, 5):
            DRAWN.fit(jax.random.key(n), x[:n], y[:n])
    assert "Compiling" not in caplog.text  # in this thread; the kernel is compiled in others
    assert correlation_of_rows._cache_size() - before == 2  # of 32 rows already, of 64 and of 128 now


def test_predicting_another_number_of_points_compiles_nothing(caplog):
    x, y = _data(n=25, d=5)
    state = DRAWN.fit(jax.random.key(0), x, y)
    x_new = np.random.default_rng(1).uniform(size=(700, 5))
    DRAWN.predict(state, x_new)
    before = predict._cache_size()
    with jax.log_compiles():
        for m in (600, 601, 650):
            assert DRAWN.predict(state, x_new[:m]).mean.shape == (m,)
    assert "Compiling" not in caplog.text
    assert predict._cache_size() == before


def test_draws_vary_with_the_key_and_come_from_plausible_settings():
    x, y = _data(n=150, lengthscale=1.5, noise=0.05)
    draws = draw_hyperparameters(jax.random.key(0), KERNEL, 3, x, y, num=40)
    assert len({float(draw.signal_variance) for draw in draws}) == 40
    ratios = np.array([float(draw.noise_variance / draw.signal_variance) for draw in draws])
    assert 0.003 <= np.median(ratios) <= 0.3
    assert np.ptp(draws[0].lengthscales) == 0
    again, other = (draw_hyperparameters(jax.random.key(key), KERNEL, 3, x, y, num=40) for key in (0, 1))
    assert again[3].signal_variance == draws[3].signal_variance != other[3].signal_variance


def test_pure_noise_is_called_noise():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(100, 3)), rng.normal(size=100)
    state = DRAWN.fit(jax.random.key(0), x, y)
    assert np.asarray(DRAWN.predict(state, rng.uniform(size=(50, 3))).mean).std() < 0.5
    assert state.noise_std > 0.5


def test_many_rows_are_drawn_from():
    x, y = _data(n=600)
    (few,) = draw_hyperparameters(jax.random.key(0), KERNEL, 3, x[:400], y[:400])
    (many,) = draw_hyperparameters(jax.random.key(0), KERNEL, 3, x, y)
    assert many.signal_variance != few.signal_variance
    assert 0.2 < float(many.lengthscales[0] / few.lengthscales[0]) < 5


def test_a_fit_conditions_on_what_was_drawn():
    x, y = _data()
    state = DRAWN.fit(jax.random.key(0), x, y)
    assert len(state.members) == 4
    for member in state.members:
        _assert_same(DRAWN, member, x, y)


def _assert_same(gp, member, x, y):
    """A process with the member's hyperparameters is the member."""
    found = {name: getattr(member, name) for name in ("lengthscales", "signal_std", "noise_std")}
    np.testing.assert_allclose(gp.condition_on(x, y, **found).weights, member.weights, rtol=1e-9)


def test_predictions_are_those_of_the_mixture_of_all_draws():
    """Against each process alone, by the law of total variance; with the noise of each, and left out of them."""
    x, y = _data()
    state = DRAWN.fit(jax.random.key(0), x[:18], y[:18])
    later = DRAWN.condition(state, x[18:], y[18:])
    for mixture, x_new in ((state, x[18:]), (later, np.full((40, 3), 0.4))):
        for with_noise in (False, True):
            alone = [DRAWN.predict(member, x_new, with_noise=with_noise) for member in mixture.members]
            means, stds = (np.array(part, np.float64) for part in zip(*alone, strict=True))
            together = DRAWN.predict(mixture, x_new, with_noise=with_noise)
            np.testing.assert_allclose(together.mean, means.mean(axis=0), rtol=1e-5)
            np.testing.assert_allclose(
                np.asarray(together.std) ** 2, (stds**2 + means**2).mean(0) - means.mean(0) ** 2, rtol=1e-4
            )
    left_out = [DRAWN.leave_one_out(member).mean for member in state.members]
    np.testing.assert_allclose(DRAWN.leave_one_out(state).mean, np.mean(left_out, axis=0), rtol=1e-4, atol=1e-6)
    draws = np.asarray(DRAWN.sample(state, jax.random.key(1), x[:3], 4000))
    expected = DRAWN.predict(state, x[:3])
    np.testing.assert_allclose(draws.mean(axis=0), expected.mean, atol=0.03)
    np.testing.assert_allclose(draws.std(axis=0), expected.std, rtol=0.06)


def test_as_many_processes_as_asked_for_and_no_fewer_than_one():
    x, y = _data()
    one, three = (GaussianProcess(hyperparameters="drawn", num_draws=num) for num in (1, 3))
    assert (len(one.fit(jax.random.key(0), x, y).members), len(three.fit(jax.random.key(0), x, y).members)) == (1, 3)
    with pytest.raises(ValueError, match="num_draws must be at least 1, got 0"):
        GaussianProcess(num_draws=0)


def test_unscaled_inputs_stay_as_they_are_and_constant_features_count():
    x, y = _data()
    x[:, 2] = 0.0
    x_new = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 1.0]])
    unscaled = GaussianProcess(ard=False, hyperparameters="drawn", warp="identity", scale_inputs=False)
    state = unscaled.fit(jax.random.key(0), x, y)
    np.testing.assert_array_equal(state.x, x)
    near, far = np.asarray(unscaled.predict(state, x_new).std)
    assert far > near
    blind = np.asarray(DRAWN.predict(DRAWN.fit(jax.random.key(0), x, y), x_new).std)
    assert blind[0] == blind[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hyperparameters": "guessed"}, "choose from optimised, drawn"),
        ({"hyperparameters": "drawn", "kernel": "rational_quadratic"}, "kernel without shape"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        GaussianProcess(**settings)


def test_known_noise_is_refused():
    x, y = _data()
    with pytest.raises(ValueError, match="noise_std must come with hyperparameters='optimised'"):
        DRAWN.fit(jax.random.key(0), x, y, noise_std=0.1 * np.ones(len(y)))


def test_unscaled_inputs_far_from_zero_are_refused():
    x, y = _data()
    unscaled = GaussianProcess(scale_inputs=False, num_starts=1)
    with pytest.raises(ValueError, match=r"x must be at most 1e\+06 in magnitude where it is not scaled"):
        unscaled.fit(jax.random.key(0), 2e6 + x, y)
    with pytest.raises(ValueError, match=r"x must be at most 1e\+06 in magnitude where it is not scaled"):
        unscaled.condition_on(2e6 + x, y, lengthscales=1.0, signal_std=1.0, noise_std=0.1)
