"""GPJax's own posterior of the same process says the same, and models that GPJax fitted become states."""

import gpjax as gpx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.means import Linear

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)
KERNELS = {
    "rbf": "rbf",
    "matern12": "matern12",
    "matern32": "matern32",
    "matern52": "matern52",
    "rational_quadratic": "rational_quadratic",
    "powered": gpx.kernels.PoweredExponential(power=0.8),
    "periodic": gpx.kernels.Periodic(period=0.9),
}
GIVEN = {"signal_std": 1.3, "noise_std": 0.2}


@pytest.fixture(autouse=True)
def in_float64():
    with jax.enable_x64(True):
        yield


def _data(seed=0, n=25):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 5, (n, 3))
    return x, 40 + 7 * np.sin(x[:, 0]) + 2 * x[:, 1] + rng.normal(size=n)


def _assert_agree(gp, state, posterior):
    """Mean, deviations, leave-one-out densities and likelihood; in scaled units, as GPJax has them."""
    scaling, x_new = state.scaling, _data(1, 12)[0]
    there = posterior(jnp.asarray(scaling.inputs(x_new)), covariance="diagonal")
    mean, std = scaling.moments(np.asarray(there.mean), np.sqrt(np.asarray(there.variance)))
    ours = gp.predict(state, x_new)
    assert ours.mean.dtype == np.float64
    np.testing.assert_allclose(ours.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(ours.std, std, rtol=1e-8)
    assert state.log_marginal_likelihood == pytest.approx(float(posterior.log_marginal_likelihood), rel=1e-8)
    precision = np.sum(state.inverse_factor**2, axis=0)
    unseen = norm.logpdf(state.y, state.y - state.weights / precision, precision**-0.5)
    np.testing.assert_allclose(posterior.loo(), unseen, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("ard", [True, False], ids=["ard", "isotropic"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_gpjax_computes_the_same(kernel, ard):
    gp = GaussianProcess(kernel=KERNELS[kernel], ard=ard, warp="identity")
    shape = [1.7] if kernel == "rational_quadratic" else []
    state = gp.condition_on(*_data(), lengthscales=[0.3, 0.9, 2.5] if ard else 0.6, shape=shape, **GIVEN)
    posterior = gp.as_gpjax(state)
    assert isinstance(posterior.prior.kernel, gpx.kernels.stationary.base.StationaryKernel)
    assert np.shape(gpx.parameters.val(posterior.prior.kernel.lengthscale)) == ((3,) if ard else ())
    _assert_agree(gp, state, posterior)
    noisy = posterior.likelihood(posterior(jnp.asarray(state.x), covariance="diagonal"))
    expected = gp.predict(state, _data()[0], with_noise=True).std / state.scaling.y_scale
    np.testing.assert_allclose(np.sqrt(noisy.variance), expected, rtol=1e-8)


@pytest.mark.parametrize(
    "gp",
    [
        GaussianProcess(num_starts=1),
        GaussianProcess(warp="log_distance", upper_bound=90.0, mean="linear", num_starts=1),
        GaussianProcess(mean=gpx.mean_functions.Constant(0.5) + Linear(np.zeros(()), np.ones(3)), num_starts=1),
        GaussianProcess(ard=False, hyperparameters="drawn", num_draws=1),
    ],
    ids=["default", "linear", "sum", "drawn"],
)
def test_a_fit_goes_there_and_back(gp):
    x, y = _data()
    state = gp.fit(KEY, x, y)
    posterior = gp.as_gpjax(state)
    _assert_agree(gp, state, posterior)
    for leaf, other in zip(jax.tree.leaves(state), jax.tree.leaves(gp.from_gpjax(posterior, x, y)), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-8, atol=1e-10)
    later = gp.condition(state, x[:2] + 0.1, y[:2])
    model = posterior.prior * posterior.likelihood
    x_all, y_all = np.concatenate([x, x[:2] + 0.1]), np.concatenate([y, y[:2]])
    again = gp.from_gpjax(model, x_all, y_all, scaling=state.scaling)
    np.testing.assert_allclose(again.inverse_factor, later.inverse_factor, rtol=1e-8, atol=1e-10)


def test_known_noise_of_each_row_is_in_the_likelihood():
    gp, (x, y) = GaussianProcess(warp="identity"), _data()
    known = np.linspace(0.1, 3.0, 25)
    state = gp.condition_on(x, y, lengthscales=0.7, known_noise_std=known, **GIVEN)
    posterior = gp.as_gpjax(state)
    _assert_agree(gp, state, posterior)
    again = gp.from_gpjax(posterior, x, y)
    np.testing.assert_allclose(again.weights, state.weights, rtol=1e-8)
    with pytest.raises(ValueError, match="y must have the 25 rows of the model's noise, got 24"):
        gp.from_gpjax(posterior.prior * posterior.likelihood, x[:24], y[:24])


@pytest.mark.parametrize("jitter", [0.0, 1e-6])
def test_a_model_that_gpjax_fitted_predicts_the_same_here(jitter):
    """In the units of its own data; GPJax's jitter is noise here."""
    x, y = _data()
    model = gpx.Prior(
        kernel=gpx.kernels.Matern32(lengthscale=jnp.array([2.0, 3.0, 5.0]), variance=30.0),
        mean_function=gpx.mean_functions.Constant(jnp.array(39.0)),
        jitter=jitter,
    ) * gpx.likelihoods.Gaussian(obs_stddev=1.1)
    data = gpx.Dataset(X=jnp.asarray(x), y=jnp.asarray(y)[:, None])
    fitted, _ = gpx.fit_scipy(
        model=model,
        objective=lambda m, d: -gpx.objectives.conjugate_mll(m, d),
        train_data=data,
        max_iters=5,
        verbose=False,
    )
    posterior, gp, x_new = fitted | data, GaussianProcess(kernel="matern32"), _data(1, 12)[0]
    state = gp.from_gpjax(fitted, x, y)
    function = posterior(jnp.asarray(x_new), covariance="diagonal")
    noisy = fitted.likelihood(function)
    np.testing.assert_allclose(gp.predict(state, x_new).mean, function.mean, rtol=1e-8)
    np.testing.assert_allclose(gp.predict(state, x_new).std ** 2 + jitter, function.variance, rtol=1e-8)
    np.testing.assert_allclose(gp.predict(state, x_new, with_noise=True).std ** 2, noisy.variance, rtol=1e-8)
    assert state.log_marginal_likelihood == pytest.approx(float(posterior.log_marginal_likelihood), rel=1e-8)
    unseen = gp.leave_one_out(state)
    np.testing.assert_allclose(posterior.loo(), norm.logpdf(y, unseen.mean, unseen.std), rtol=1e-8)
    np.testing.assert_array_equal(gp.from_gpjax(posterior, x, y).weights, state.weights)


def test_what_does_not_fit_is_refused():
    x, y = _data()
    prior = gpx.Prior(kernel=gpx.kernels.RBF(), mean_function=gpx.mean_functions.Zero())
    model, gp = prior * gpx.likelihoods.Gaussian(), GaussianProcess(kernel="rbf")
    posterior = model | gpx.Dataset(X=jnp.asarray(x), y=jnp.asarray(y)[:, None])
    few = prior.kernel.__class__(active_dims=[0])
    for wrong, message in [
        (prior * gpx.likelihoods.Poisson(), "a Gaussian likelihood"),
        (prior, "a Gaussian likelihood"),
        (gpx.Prior(gpx.kernels.Matern12(), prior.mean_function) * model.likelihood, "must be a RBF of all features"),
        (gpx.Prior(few, prior.mean_function) * model.likelihood, "must be a RBF of all features"),
        (gpx.Prior(gpx.kernels.RBF(lengthscale=jnp.ones(2)), prior.mean_function) * model.likelihood, "2 features"),
        (
            gpx.Prior(prior.kernel, Linear(jnp.zeros(()), jnp.ones(3))) * model.likelihood,
            "got Linear: make the process",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            gp.from_gpjax(wrong, x, y)
    with pytest.raises(ValueError, match="x and y must be the data that the posterior was conditioned on"):
        gp.from_gpjax(posterior, x, y + 1)
    with pytest.raises(ValueError, match="x must be at most 1e"):
        gp.from_gpjax(model, 1e7 * x, y)
    with pytest.raises(ValueError, match="y must spread by about one"):
        gp.from_gpjax(model, x, 1e-50 * y)
    periodic = gpx.Prior(gpx.kernels.Periodic(period=2.0), prior.mean_function) * model.likelihood
    with pytest.raises(ValueError, match="must have the parameters of this process's"):
        GaussianProcess(kernel=KERNELS["periodic"]).from_gpjax(periodic, x, y)
    assert GaussianProcess(kernel=periodic.prior.kernel).from_gpjax(periodic, x, y).weights.shape == (25,)
    other = gpx.Prior(prior.kernel, gpx.mean_functions.Constant(2.0) + Linear(jnp.zeros(()), jnp.ones(3)))
    with pytest.raises(ValueError, match="got SumMeanFunction: make the process"):
        GaussianProcess(kernel="rbf", mean="linear").from_gpjax(other * model.likelihood, x, y)
