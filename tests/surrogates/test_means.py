"""Mean functions of a Gaussian process against closed forms and refits without a point."""

import gpjax as gpx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal

from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.gaussian_process_state import hyperparameters_of
from nas_jax.surrogates.means import Linear, mean_function, parameters_of, with_parameters
from nas_jax.surrogates.saving import load, save

KEY = jax.random.key(0)
PARAMETERS = [0.4, -1.5, 2.0]
GIVEN = {"lengthscales": 0.7, "signal_std": 1.3, "noise_std": 0.2}


def _data(seed=0, n=30):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n, 2))
    return x, 3 * x[:, 0] - 2 * x[:, 1] + 0.3 * np.sin(9 * x[:, 0]) + 0.05 * rng.normal(size=n)


def _covariance(state):
    scaled = cdist(state.x / state.lengthscales, state.x / state.lengthscales)
    return state.signal_std**2 * np.exp(-0.5 * scaled**2) + state.noise_std**2 * np.eye(len(state.y))


def test_a_linear_mean_is_subtracted_and_added_back():
    """The process of targets less the mean function, in scaled units, plus the mean function."""
    x, y = _data()
    x_new = np.concatenate([_data(1, 40)[0], [[7.0, -7.0]]])
    gp = GaussianProcess(kernel="rbf", warp="identity", mean="linear")
    state = gp.condition_on(x, y, mean_parameters=PARAMETERS, **GIVEN)
    scaled, scaled_new = state.scaling.inputs(x), state.scaling.inputs(x_new)
    line, line_new = (PARAMETERS[0] + points @ PARAMETERS[1:] for points in (scaled, scaled_new))
    density = multivariate_normal.logpdf(state.y, line, _covariance(state))
    assert state.log_marginal_likelihood == pytest.approx(density, rel=1e-9)
    covariance = 1.3**2 * np.exp(-0.5 * (cdist(scaled, scaled_new) / 0.7) ** 2)
    expected = line_new + covariance.T @ np.linalg.solve(_covariance(state), state.y - line)
    mean = gp.predict(state, x_new).mean
    np.testing.assert_allclose(mean, expected * state.scaling.y_scale + state.scaling.y_mean, rtol=1e-5, atol=1e-5)
    plain = GaussianProcess(kernel="rbf", warp="identity").condition_on(x, y, **GIVEN)
    np.testing.assert_allclose(
        gp.predict(state, x_new).std, GaussianProcess(kernel="rbf").predict(plain, x_new).std, 1e-6
    )
    draws = gp.sample(state, KEY, x_new[-1:], 4000)
    assert np.mean(draws) == pytest.approx(float(mean[-1]), abs=5 * float(np.std(draws)) / 4000**0.5)


def test_a_fitted_line_is_the_posterior_mode_given_the_other_hyperparameters():
    """Generalised least squares with a standard normal prior: (H' K^-1 H + I)^-1 H' K^-1 y."""
    gp = GaussianProcess(kernel="rbf", warp="identity", mean="linear")
    state = gp.fit(KEY, *_data())
    basis = np.column_stack([np.ones(30), state.x])
    weighted = np.linalg.solve(_covariance(state), np.column_stack([basis, state.y]))
    expected = np.linalg.solve(basis.T @ weighted[:, :3] + np.eye(3), basis.T @ weighted[:, 3])
    np.testing.assert_allclose(state.mean_parameters, expected, atol=5e-3)
    assert state.mean_parameters[1] > 1 > -0.5 > state.mean_parameters[2]


def test_a_line_goes_on_where_there_are_no_data():
    x, y = _data()
    far = [[3.0, 0.5], [0.5, -2.0]]
    truth = np.array([9 - 1, 1.5 + 4])
    lines, plain = (GaussianProcess(mean=mean, warp="identity") for mean in ("linear", "constant"))
    errors = [np.abs(gp.predict(gp.fit(KEY, x, y), far).mean - truth) for gp in (lines, plain)]
    assert np.all(errors[0] < 0.5 * errors[1])


@pytest.mark.parametrize("mean", ["linear", gpx.mean_functions.Constant(0.3) + Linear(jnp.zeros(()), jnp.ones(2))])
def test_leave_one_out_is_a_process_without_the_point(mean):
    x, y = _data(n=12)
    gp = GaussianProcess(mean=mean, warp="identity", num_starts=1)
    state = gp.fit(KEY, x, y)
    unseen = gp.leave_one_out(state)
    for held_out in (0, 7):
        rest = np.arange(12) != held_out
        seen = state.x[rest], state.y[rest], np.zeros(11)
        left = gp._condition(seen, hyperparameters_of(state), state.scaling)
        expected = gp.predict(left, x[[held_out]], with_noise=True)
        np.testing.assert_allclose(unseen.mean[held_out], expected.mean[0], rtol=1e-5)
        np.testing.assert_allclose(unseen.std[held_out], expected.std[0], rtol=1e-5)


def test_constants_of_gpjax_are_learned_unless_it_marks_them():
    x, y = _data()
    zero, learned = (
        GaussianProcess(mean=mean, num_starts=1).fit(KEY, x, y)
        for mean in (gpx.mean_functions.Zero(), gpx.mean_functions.Constant(0.3))
    )
    plain = GaussianProcess(num_starts=1).fit(KEY, x, y)
    for leaf, other in zip(jax.tree.leaves(zero), jax.tree.leaves(plain), strict=True):
        np.testing.assert_array_equal(leaf, other)
    assert zero.mean_parameters.shape == (0,)
    assert learned.mean_parameters.shape == (1,)
    assert learned.mean_parameters != 0.3


def test_parameters_are_a_vector_and_come_back():
    mean = gpx.mean_functions.Constant(0.5) + Linear(jnp.ones(()), jnp.arange(2.0)) + gpx.mean_functions.Zero()
    np.testing.assert_array_equal(parameters_of(mean), [0.5, 1.0, 0.0, 1.0])
    x = jnp.ones((1, 2))
    assert float(mean(x)[0, 0]) == 0.5 + 1 + 1
    assert float(with_parameters(mean, jnp.array([1.0, 2.0, 3.0, 4.0]))(x)[0, 0]) == 1 + 2 + 3 + 4


def test_conditioning_keeps_the_line_and_a_file_holds_it(tmp_path):
    x, y = _data()
    gp = GaussianProcess(mean="linear", num_starts=1)
    state = gp.fit(KEY, x[:20], y[:20])
    later = gp.condition(state, x[20:], y[20:])
    np.testing.assert_array_equal(later.mean_parameters, state.mean_parameters)
    save(tmp_path / "gp.npz", gp, later)
    loaded, again = load(tmp_path / "gp.npz")
    np.testing.assert_array_equal(loaded.predict(again, x).mean, gp.predict(later, x).mean)
    custom = GaussianProcess(mean=gpx.mean_functions.Constant(0.3), num_starts=1)
    save(tmp_path / "gp.npz", custom, custom.fit(KEY, x, y))
    loaded, again = load(tmp_path / "gp.npz", mean=custom.mean)
    assert again.mean_parameters.shape == (1,)
    with pytest.raises(ValueError, match=r"mean must be the gpjax\.mean_functions\.Constant that"):
        load(tmp_path / "gp.npz")


@pytest.mark.parametrize("wrong", ["quadratic", 3.0, gpx.kernels.RBF(), gpx.mean_functions.Zero])
def test_what_is_no_mean_function_is_refused_in_one_line(wrong):
    with pytest.raises(ValueError, match="choose from constant, linear, or pass a mean function of GPJax") as caught:
        GaussianProcess(mean=wrong)
    assert "\n" not in str(caught.value)


def test_means_that_do_not_fit_the_data_are_refused():
    x, y = _data()
    for mean, message in [
        (Linear(jnp.zeros(()), jnp.zeros(3)), "mean must take 2 features"),
        (gpx.mean_functions.Constant(jnp.ones((1, 2))), r"mean must give \[n, 1\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            GaussianProcess(mean=mean).fit(KEY, x, y)
    with pytest.raises(ValueError, match="mean_parameters must hold 3 numbers"):
        GaussianProcess(mean="linear").condition_on(x, y, **GIVEN)
    with pytest.raises(ValueError, match=r"must come with .* mean='constant'"):
        GaussianProcess(mean="linear", ard=False, hyperparameters="drawn")
    assert parameters_of(mean_function("linear", 2)).shape == (3,)
