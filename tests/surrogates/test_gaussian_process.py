"""The Gaussian process against scikit-learn, SciPy and the invariances it should have."""

import gpjax as gpx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as sk

from nas_jax.surrogates import gaussian_process
from nas_jax.surrogates.gaussian_process import GaussianProcess, make
from nas_jax.surrogates.padding import pad, padded_size

KEY = jax.random.key(0)
SKLEARN = {
    "rbf": sk.RBF,
    "matern12": lambda lengthscales: sk.Matern(lengthscales, nu=0.5),
    "matern32": lambda lengthscales: sk.Matern(lengthscales, nu=1.5),
    "matern52": lambda lengthscales: sk.Matern(lengthscales, nu=2.5),
}


def _data(seed=0, n=25, d=3):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 5, (n, d))
    return x, 40 + 7 * np.sin(x[:, 0]) + rng.normal(size=n)


def _unit(x, low, high):
    return (x - low) / (high - low)


def _assert_finite(state, posterior):
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state))
    assert np.all(np.isfinite(posterior.mean))
    assert np.all(np.isfinite(posterior.std))
    assert np.all(posterior.std > 0)


@pytest.mark.parametrize("lengthscales", [0.6, [0.3, 0.9, 2.5]], ids=["isotropic", "ard"])
@pytest.mark.parametrize("kernel", sorted(SKLEARN))
def test_agrees_with_scikit_learn(kernel, lengthscales):
    x, y = _data()
    x[7], x_new = x[3], np.concatenate([_data(1, 40)[0], x[:2], [[90.0, -90.0, 0.0]]])
    gp = make(kernel=kernel)
    state = gp.condition_on(x, y, lengthscales=lengthscales, signal_std=1.3, noise_std=0.2)

    low, high, scale = x.min(0), x.max(0), y.std()
    covariance = sk.ConstantKernel(1.3**2) * SKLEARN[kernel](np.array(lengthscales))
    reference = GaussianProcessRegressor(covariance, alpha=0.2**2, optimizer=None)
    reference.fit(_unit(x, low, high), (y - y.mean()) / scale)
    mean, std = reference.predict(_unit(x_new, low, high), return_std=True)

    posterior, noisy = gp.predict(state, x_new), gp.predict(state, x_new, with_noise=True)
    assert state.log_marginal_likelihood == pytest.approx(reference.log_marginal_likelihood_value_, rel=1e-9)
    np.testing.assert_allclose(state.weights, reference.alpha_, rtol=1e-8, atol=1e-9)
    # The results are float32, which rounds a mean of 40 to 4e-6.
    np.testing.assert_allclose(posterior.mean, mean * scale + y.mean(), rtol=1e-6)
    np.testing.assert_allclose(posterior.std, std * scale, rtol=1e-6)
    np.testing.assert_allclose(noisy.std, np.hypot(std, 0.2) * scale, rtol=1e-6)


def test_gradient_is_that_of_gpjax():
    x, y = _data(n=20)
    x[1] = x[0]

    with jax.enable_x64(True):
        padded = pad(_unit(x, x.min(0), x.max(0)), (y - y.mean()) / y.std(), 32)
        rows, targets = map(jnp.asarray, padded)

        def ours(logs):
            joint = gaussian_process._joint("matern52", jnp.exp(logs[:3]), jnp.exp(logs[3]), jnp.exp(logs[4]))
            return gaussian_process._log_likelihood(joint, rows, targets, jnp.asarray(20.0))

        def theirs(logs):
            kernel = gpx.kernels.Matern52(lengthscale=jnp.exp(logs[:3]), variance=jnp.exp(2 * logs[3]))
            prior = gpx.gps.Prior(kernel=kernel, mean_function=gpx.mean_functions.Zero(), jitter=0.0)
            joint = prior * gpx.likelihoods.Gaussian(obs_stddev=jnp.exp(logs[4]))
            data = gpx.Dataset(rows[:20, :3], targets[:20, None])
            return gpx.objectives.conjugate_mll(joint, data)

        logs = jnp.array([-0.5, 0.3, 1.0, 0.2, -1.5])
        value, gradient = jax.jit(jax.value_and_grad(ours))(logs)
        expected_value, expected_gradient = jax.jit(jax.value_and_grad(theirs))(logs)
    np.testing.assert_allclose(value, expected_value, rtol=1e-10)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-8)


@pytest.mark.parametrize("kernel", ["matern12", "matern52"])
def test_padding_changes_nothing(kernel):
    x, y = _data(n=20)
    hyperparameters = {"lengthscales": [0.05, 3.0, 1e3], "signal_std": 1.5, "noise_std": 0.05}
    small, large = make(kernel=kernel, padding=32), make(kernel=kernel, padding=64)
    state, other = (gp.condition_on(x, y, **hyperparameters) for gp in (small, large))
    assert state.log_marginal_likelihood == pytest.approx(other.log_marginal_likelihood, abs=1e-9)
    for leaf, other_leaf in zip(jax.tree.leaves(state), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(leaf, other_leaf, rtol=1e-9, atol=1e-9)

    x_new = _data(1, 30)[0]
    results = [gp.predict(state, x_new) for gp in (small, large)]
    np.testing.assert_allclose(results[0].mean, results[1].mean, rtol=1e-7)
    np.testing.assert_allclose(results[0].std, results[1].std, rtol=1e-7)


def test_padding_does_not_move_the_fit():
    x, y = _data(n=20)
    states = [make(padding=padding).fit(KEY, x, y) for padding in (32, 64)]
    np.testing.assert_allclose(states[0].lengthscales, states[1].lengthscales, rtol=1e-2)


def test_sizes_of_a_growing_data_set_are_few():
    assert {padded_size(n, 32) for n in range(20, 151)} == {32, 64, 96, 128, 160}
    assert len({padded_size(n, 32) for n in range(1, 1025)}) <= 16
    assert all(n <= padded_size(n, 32) <= max(32, 4 * n / 3 + 32) for n in range(1, 2000))


def test_a_growing_data_set_compiles_once_a_size():
    x, y = _data(n=64, d=2)
    gp = GaussianProcess(kernel="matern32", max_evaluations=2)  # settings that no other test has
    programs = (gaussian_process._search, gaussian_process._factorise, gaussian_process._predict)
    before = [program._cache_size() for program in programs]
    for n in range(20, 65):
        gp.predict(gp.fit(KEY, x[:n], y[:n]), x[: n // 2])
    assert all(program._cache_size() - old <= 2 for program, old in zip(programs, before, strict=True))


def test_predictions_of_many_points_are_those_of_each():
    x, y = _data()
    state = make().condition_on(x, y, lengthscales=0.5, signal_std=1.0, noise_std=0.1)
    x_new = _data(1, 1100)[0]
    together = make().predict(state, x_new)
    for place in (0, 511, 512, 1099):
        alone = make().predict(state, x_new[place : place + 1])
        np.testing.assert_allclose(alone.mean[0], together.mean[place], rtol=1e-6)
        np.testing.assert_allclose(alone.std[0], together.std[place], rtol=1e-6)
    assert make().predict(state, np.empty((0, 3))).mean.shape == (0,)


def _log_density(gp, x, y, lengthscales, signal_variance, noise_variance):
    """Likelihood by scikit-learn, prior by SciPy, up to a constant; for features that all vary."""
    d = x.shape[1]
    kernel = sk.ConstantKernel(signal_variance) * sk.Matern(lengthscales, nu=2.5)
    reference = GaussianProcessRegressor(kernel, alpha=noise_variance, optimizer=None)
    reference.fit(_unit(x, x.min(0), x.max(0)), (y - y.mean()) / y.std())
    likelihood = reference.log_marginal_likelihood_value_
    share = gp.sharing if gp.ard else 1.0
    spread = 3 * (share * np.ones((d, d)) + (1 - share) * np.eye(d))
    about = np.full(d, 2**0.5 + np.log(d) / 2)
    prior = multivariate_normal(about, spread, allow_singular=True).logpdf(np.log(lengthscales))
    fitted_noise = noise_variance - gp.min_noise_std**2
    return likelihood + prior + norm(-4, 1).logpdf(np.log(fitted_noise)) + norm(0, 1).logpdf(np.log(signal_variance))


@pytest.mark.parametrize("gp", [make(), make(sharing=0.5), make(ard=False)], ids=["shared", "loose", "isotropic"])
@pytest.mark.parametrize("seed", [0, 1])
def test_fit_is_as_good_as_scipy(gp, seed):
    x, y = _data(seed)
    state = gp.fit(KEY, x, y)
    ours = _log_density(gp, x, y, state.lengthscales, state.signal_std**2, state.noise_std**2)

    def cost(logs):
        lengthscales = np.exp(logs[:-2]) * np.ones(3)
        return -_log_density(gp, x, y, lengthscales, np.exp(logs[-2]), gp.min_noise_std**2 + np.exp(logs[-1]))

    rng = np.random.default_rng(seed)
    centre = np.array([2**0.5 + np.log(3) / 2] * (3 if gp.ard else 1) + [0.0, -4.0])
    starts = [centre, *(centre + rng.normal(size=(2, len(centre))))]
    theirs = max(-minimize(cost, start, method="L-BFGS-B", options={"maxiter": 60}).fun for start in starts)
    assert ours > theirs - 1e-3


def test_finds_the_feature_that_matters():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(32, 4))
    y = np.sin(6 * x[:, 2]) + 0.05 * rng.normal(size=32)
    lengthscales = make().fit(KEY, x, y).lengthscales
    assert np.argmin(lengthscales) == 2
    assert np.all(np.delete(lengthscales, 2) > 3 * lengthscales[2])


def test_the_same_key_gives_the_same_state():
    x, y = _data()
    first, second = (jax.tree.leaves(make().fit(jax.random.key(7), x, y)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("x_scale", "y_scale"), [(1e-12, 1e-12), (1e12, 1e12), (1e12, 1e-12)])
def test_units_do_not_matter(x_scale, y_scale):
    x, y = _data()
    x_new = _data(1)[0]
    plain = make().predict(make().fit(KEY, x, y), x_new)
    state = make().fit(KEY, x_scale * x, y_scale * y)
    scaled = make().predict(state, x_scale * x_new)
    _assert_finite(state, scaled)
    np.testing.assert_allclose(scaled.mean / y_scale, plain.mean, rtol=1e-3)
    np.testing.assert_allclose(scaled.std / y_scale, plain.std, rtol=1e-2)


def test_a_feature_that_never_varies_changes_nothing():
    x, y = _data()
    x_new = _data(1)[0]
    plain = make().predict(make().fit(KEY, x, y), x_new)
    state = make().fit(KEY, np.insert(x, 1, 3.3, axis=1), y)
    wide = make().predict(state, np.insert(x_new, 1, -5.0, axis=1))
    _assert_finite(state, wide)
    np.testing.assert_allclose(wide.mean, plain.mean, rtol=1e-3)
    np.testing.assert_allclose(wide.std, plain.std, rtol=1e-2)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([[2.0]], [5.0]),
        ([[0.0], [1.0]], [1.0, 2.0]),
        ([[0.0]] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]),
        ([[float(i % 2)] for i in range(30)], [float(i % 2) for i in range(30)]),
        ([[float(i)] for i in range(6)], [0.1] * 6),
        ([[float(i)] for i in range(6)], [0.0, 0.0, 0.0, 0.0, 0.0, 1e6]),
        ([[0.0], [1e-13], [1.0]], [0.0, 1.0, 2.0]),
    ],
    ids=["one", "two", "same", "duplicates", "constant", "outlier", "nearly-same"],
)
@pytest.mark.parametrize("ard", [True, False])
def test_hard_cases_are_finite(x, y, ard):
    gp = make(ard=ard)
    state = gp.fit(KEY, x, y)
    posterior = gp.predict(state, [*x, [1e30] * len(x[0])])
    _assert_finite(state, posterior)
    assert np.all(np.abs(posterior.mean - np.mean(y)) <= 10 * max(np.std(y), 1.0))


def test_constant_targets_are_predicted():
    state = make().fit(KEY, [[0.0], [1.0], [2.0]], [0.1, 0.1, 0.1])
    np.testing.assert_allclose(make().predict(state, [[0.5], [9.0]]).mean, 0.1, rtol=1e-6)


@pytest.mark.parametrize("kernel", ["rbf", "matern12"])
def test_noise_grows_where_the_covariance_is_singular(kernel):
    x, y = _data(n=20, d=1)
    x[10:], y[10:] = x[:10], y[:10]
    gp = make(kernel=kernel)
    state = gp.condition_on(x, y, lengthscales=5.0, signal_std=1.0, noise_std=0.0)
    _assert_finite(state, gp.predict(state, x))
    assert 0 < state.noise_std < 1e-2
    np.testing.assert_allclose(state.factor @ state.factor.T @ state.weights, state.y, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_small_data_set_is_fitted_or_refused(data):
    n, d = data.draw(st.integers(0, 12)), data.draw(st.integers(1, 2))
    numbers = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-1e3, 1e3) | st.sampled_from([0.0, 1.0])
    x, y = (
        data.draw(hnp.arrays(np.float64, (n, d), elements=numbers)),
        data.draw(hnp.arrays(float, n, elements=numbers)),
    )
    is_usable = n > 0 and np.all(np.abs(x) <= 1e30) and np.all(np.abs(y) <= 1e30)
    if is_usable:
        state = make().fit(KEY, x, y)
        _assert_finite(state, make().predict(state, x, with_noise=True))
    else:
        with pytest.raises(ValueError, match=r"^(x|y|there) must"):
            make().fit(KEY, x, y)


@pytest.mark.parametrize(
    "wrong", [{"sharing": 1.1}, {"num_starts": 0}, {"padding": 0}, {"min_noise_std": 0.0}, {"max_evaluations": 0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make(**wrong)


def test_unknown_kernel_lists_the_choices():
    with pytest.raises(ValueError, match=r"'cubic'.*matern12, matern32, matern52, rbf"):
        make(kernel="cubic")


@pytest.mark.parametrize(
    "wrong",
    [{"lengthscales": [1.0, 1.0]}, {"lengthscales": -1.0}, {"signal_std": 0.0}, {"noise_std": np.nan}],
)
def test_hyperparameters_out_of_range_are_refused(wrong):
    given_ones = {"lengthscales": 1.0, "signal_std": 1.0, "noise_std": 0.1, **wrong}
    with pytest.raises(ValueError, match="must be"):
        make().condition_on(*_data(), **given_ones)


def test_float64_stays_inside():
    make().fit(KEY, *_data())
    assert jnp.ones(1).dtype == jnp.float32


def test_bounded_targets_are_log_normal_below_the_bound():
    """Fitting -log(bound - y) by hand gives the same state; the moments are those of draws mapped back."""
    x, _ = _data(n=20)
    y = 0.98 - 0.5 * np.abs(np.sin(3 * x[:, 0]))
    bounded, plain = make(upper_bound=1.0), make()
    state, by_hand = bounded.fit(KEY, x, y), plain.fit(KEY, x, -np.log(1.0 - y))
    np.testing.assert_allclose(state.lengthscales, by_hand.lengthscales, rtol=1e-6)
    x_new = np.random.default_rng(1).uniform(size=(5, 3))
    normal, mapped = plain.predict(by_hand, x_new), bounded.predict(state, x_new)
    draws = np.random.default_rng(2).normal(normal.mean, normal.std, size=(400_000, 5))
    values = 1.0 - np.exp(-draws)
    np.testing.assert_allclose(mapped.mean, values.mean(axis=0), atol=4 * values.std() / 600)
    np.testing.assert_allclose(mapped.std, values.std(axis=0), rtol=0.05)
    assert np.all(np.asarray(mapped.mean) < 1.0)


def test_targets_at_their_bound_are_refused():
    x, _ = _data(n=3)
    with pytest.raises(ValueError, match=r"y must be below upper_bound=1\.0, got 1\.0"):
        make(upper_bound=1.0).fit(KEY, x, [0.5, 1.0, 0.2])


def test_bounded_targets_of_any_spread_stay_finite():
    x, _ = _data(n=5)
    state = make(upper_bound=1.0).fit(KEY, x, 1.0 - np.array([1e-12, 1e12, 1.0, 1e-6, 1e20]))
    _assert_finite(state, make(upper_bound=1.0).predict(state, 3 * x, with_noise=True))
