"""The Gaussian process against scikit-learn, SciPy and the invariances it should have."""

from concurrent.futures import ThreadPoolExecutor

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

from nas_jax.surrogates import padding, programs
from nas_jax.surrogates.gaussian_process import GaussianProcess, make
from nas_jax.surrogates.padding import padded_size

KEY = jax.random.key(0)
SKLEARN = {
    "rbf": sk.RBF,
    "matern12": lambda lengthscales: sk.Matern(lengthscales, nu=0.5),
    "matern32": lambda lengthscales: sk.Matern(lengthscales, nu=1.5),
    "matern52": lambda lengthscales: sk.Matern(lengthscales, nu=2.5),
}
PLAIN = {"warp": "identity"}  # what scikit-learn and closed forms know


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
    assert np.all(np.asarray(posterior.std) > 0)  # float64 where float32 would not do


@pytest.mark.parametrize("lengthscales", [0.6, [0.3, 0.9, 2.5]], ids=["isotropic", "ard"])
@pytest.mark.parametrize("kernel", sorted(SKLEARN))
def test_agrees_with_scikit_learn(kernel, lengthscales):
    x, y = _data()
    x[7], x_new = x[3], np.concatenate([_data(1, 40)[0], x[:2], [[90.0, -90.0, 0.0]]])
    gp = make(kernel=kernel, **PLAIN)
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


@pytest.mark.parametrize("kernel", ["matern12", "matern52"])
def test_padding_changes_nothing(kernel, monkeypatch):
    x, y = _data(n=20)
    x_new, gp = _data(1, 30)[0], make(kernel=kernel)
    states, posteriors = [], []
    for size in (20, 32, 96):
        monkeypatch.setattr(padding, "padded_size", lambda num_rows, size=size: size)
        states.append(gp.condition_on(x, y, lengthscales=[0.05, 3.0, 1e3], signal_std=1.5, noise_std=0.05))
        posteriors.append(gp.predict(states[-1], x_new))
    for state, posterior in zip(states[1:], posteriors[1:], strict=True):
        for leaf, other in zip(jax.tree.leaves(states[0]), jax.tree.leaves(state), strict=True):
            np.testing.assert_allclose(leaf, other, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(posteriors[0].mean, posterior.mean, rtol=1e-7)
        np.testing.assert_allclose(posteriors[0].std, posterior.std, rtol=1e-7)


def test_padding_does_not_move_the_fit(monkeypatch):
    x, y = _data(n=20)
    small = make().fit(KEY, x, y)
    monkeypatch.setattr(padding, "padded_size", lambda num_rows: 64)
    large = make().fit(KEY, x, y)
    np.testing.assert_allclose(small.lengthscales, large.lengthscales, rtol=1e-2)


def test_sizes_of_a_growing_data_set_are_few():
    assert {padded_size(n) for n in range(20, 151)} == {32, 64, 128, 192}
    assert len({padded_size(n) for n in range(1, 2049)}) == 17
    assert all(n <= padded_size(n) <= max(32, 2 * n) for n in range(1, 129))
    assert all(n <= padded_size(n) <= 1.5 * n for n in range(129, 300))
    assert all(n <= padded_size(n) <= 1.25 * n for n in range(300, 5000))


def test_a_growing_data_set_compiles_once_a_size():
    x, y = _data(n=130, d=2)
    gp = GaussianProcess(kernel="matern32", max_evaluations=2, num_starts=2)
    before = {program: program._cache_size() for program in (programs.fit, programs.predict)}
    for n in (20, 30, 32, 34, 48, 64, 66, 90, 128, 130):  # four padded sizes
        gp.predict(gp.fit(KEY, x[:n], y[:n]), x[: n // 2])
    assert all(0 < program._cache_size() - old <= 4 for program, old in before.items())


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


@pytest.mark.parametrize(
    "gp",
    [make(**PLAIN), make(sharing=0.5, **PLAIN), make(ard=False, **PLAIN)],
    ids=["shared", "loose", "isotropic"],
)
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
        ([[1e-12 * i] for i in range(9)], [1e12 * (i % 4) for i in range(9)]),
        ([[1e12 * i] for i in range(9)], [1e-12 * (i % 4) for i in range(9)]),
        ([[float(i), 7.0, -3.0] for i in range(8)], [float(i**2) for i in range(8)]),
    ],
    ids=[
        "one",
        "two",
        "same",
        "duplicates",
        "constant",
        "outlier",
        "nearly-same",
        "tiny-and-huge",
        "huge-and-tiny",
        "never-varies",
    ],
)
@pytest.mark.parametrize(
    "gp",
    [make(), make(ard=False), make(warp="identity"), make(kernel="rational_quadratic")],
    ids=["default", "isotropic", "plain", "rational"],
)
def test_hard_cases_are_finite(x, y, gp):
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
    factor = np.linalg.inv(state.inverse_factor)
    np.testing.assert_allclose(factor @ factor.T @ state.weights, state.y, atol=1e-4)


@settings(max_examples=1000, deadline=None)
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
    "wrong",
    [
        {"sharing": 1.1},
        {"num_starts": 0},
        {"warp": "none"},
        {"upper_bound": 1.0},
        {"groups": ("a",), "ard": False},
        {"min_noise_std": 0.0},
        {"max_evaluations": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make(**wrong)


def test_unknown_kernel_lists_the_choices():
    with pytest.raises(ValueError, match=r"'cubic'.*matern12, matern32, matern52, rational_quadratic, rbf"):
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


def test_targets_at_their_bound_are_refused():
    x, _ = _data(n=3)
    bounded = make(warp="log_distance", upper_bound=1.0)
    with pytest.raises(ValueError, match=r"y must be below upper_bound=1\.0, got 1\.0"):
        bounded.fit(KEY, x, [0.5, 1.0, 0.2])


def test_bounded_targets_of_any_spread_stay_finite():
    x, _ = _data(n=5)
    bounded = make(warp="log_distance", upper_bound=1.0)
    state = bounded.fit(KEY, x, 1.0 - np.array([1e-12, 1e12, 1.0, 1e-6, 1e20]))
    _assert_finite(state, bounded.predict(state, 3 * x, with_noise=True))


def test_features_of_a_group_share_a_lengthscale():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(40, 4))
    y = np.sin(9 * x[:, 0]) + np.sin(9 * x[:, 2])
    gp = make(groups=("gene", "other", "gene", "other"))
    lengthscales = gp.fit(KEY, x, y).lengthscales
    assert lengthscales[0] == lengthscales[2] < 0.7 * lengthscales[1]
    assert lengthscales[1] == lengthscales[3]
    alone = make().fit(KEY, x, y)
    each = make(groups=[3, 1, 4, 5]).fit(KEY, x, y)
    np.testing.assert_array_equal(each.lengthscales, alone.lengthscales)
    with pytest.raises(ValueError, match="groups must label each of the 3 features of x, got 4"):
        gp.fit(KEY, x[:, :3], y)


def test_the_order_of_points_and_features_does_not_matter():
    x, y = _data()
    x_new = _data(1)[0]
    rows, columns = np.random.default_rng(0).permutation(25), [2, 0, 1]
    plain = make(num_starts=1).fit(KEY, x, y)
    permuted = make(num_starts=1).fit(KEY, x[rows][:, columns], y[rows])
    np.testing.assert_allclose(permuted.lengthscales, plain.lengthscales[columns], rtol=1e-3)
    first, second = make().predict(plain, x_new), make().predict(permuted, x_new[:, columns])
    np.testing.assert_allclose(second.mean, first.mean, rtol=1e-4)
    np.testing.assert_allclose(second.std, first.std, rtol=1e-3)


def test_fits_in_several_threads_are_those_of_one():
    x, y = _data()
    alone = make().fit(KEY, x, y)
    with ThreadPoolExecutor(4) as threads:
        states = list(threads.map(lambda _: make().fit(KEY, x, y), range(8)))
    for state in states:
        np.testing.assert_allclose(state.inverse_factor, alone.inverse_factor, rtol=1e-12)
