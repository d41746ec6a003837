"""Adding points, leaving points out, joint draws and known noise, against refits and closed forms."""

import jax
import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as sk

from nas_jax.surrogates.gaussian_process import GaussianProcess

KEY = jax.random.key(0)
GIVEN = {"lengthscales": [0.4, 0.9], "signal_std": 1.2, "noise_std": 0.1}


def _data(n=24, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n, 2))
    return x, np.exp(2 * np.sin(5 * x[:, 0]) + 0.2 * rng.normal(size=n))


def _sklearn(noise_variance=0.1**2):
    kernel = sk.ConstantKernel(1.2**2) * sk.Matern([0.4, 0.9], nu=2.5)
    return GaussianProcessRegressor(kernel, alpha=noise_variance, optimizer=None)


def _assert_same_state(first, second, rtol=1e-8):
    for leaf, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=rtol, atol=1e-9)


@pytest.mark.parametrize("warp", ["identity", "sinh_arcsinh"])
def test_conditioning_is_refitting_with_fixed_hyperparameters(warp):
    """Against scikit-learn on the scaled data, and however the points are split."""
    x, y = _data()
    gp = GaussianProcess(warp=warp)
    first = gp.condition_on(x[:10], y[:10], **GIVEN)
    together = gp.condition(first, x[10:], y[10:])
    in_two = gp.condition(gp.condition(first, x[10:15], y[10:15]), x[15:], y[15:])
    _assert_same_state(together, in_two)

    scaling = first.scaling
    reference = _sklearn().fit(scaling.inputs(x), scaling.targets(y))
    x_new = _data(seed=1)[0]
    mean, std = reference.predict(scaling.inputs(x_new), return_std=True)
    assert together.log_marginal_likelihood == pytest.approx(reference.log_marginal_likelihood_value_, rel=1e-9)
    posterior = gp.predict(together, x_new)
    expected = scaling.moments(mean, std)
    np.testing.assert_allclose(posterior.mean, expected[0], rtol=1e-5)
    np.testing.assert_allclose(posterior.std, expected[1], rtol=1e-5)


def test_a_fantasy_at_the_mean_narrows_and_moves_nothing():
    x, y = _data()
    gp = GaussianProcess(warp="identity")
    state = gp.fit(KEY, x, y)
    there = np.array([[0.5, 0.5]])
    before = gp.predict(state, there)
    after = gp.predict(gp.condition(state, there, before.mean), there)
    np.testing.assert_allclose(after.mean, before.mean, rtol=1e-5)
    assert after.std[0] < 0.9 * before.std[0]


def test_the_order_of_points_does_not_matter():
    x, y = _data()
    order = np.random.default_rng(0).permutation(len(y))
    gp = GaussianProcess()
    x_new = _data(seed=1)[0]
    first, second = (gp.predict(gp.condition_on(*data, **GIVEN), x_new) for data in ((x, y), (x[order], y[order])))
    np.testing.assert_allclose(first.mean, second.mean, rtol=1e-6)
    np.testing.assert_allclose(first.std, second.std, rtol=1e-6)


@pytest.mark.parametrize("warp", ["identity", "sinh_arcsinh"])
def test_shifted_and_scaled_targets_shift_and_scale_predictions(warp):
    x, y = _data()
    gp = GaussianProcess(warp=warp)
    x_new = _data(seed=1)[0]
    plain = gp.predict(gp.condition_on(x, y, **GIVEN), x_new)
    moved = gp.predict(gp.condition_on(5 * x - 2, 3 * y + 7, **GIVEN), 5 * x_new - 2)
    np.testing.assert_allclose(moved.mean, 3 * plain.mean + 7, rtol=1e-4)
    np.testing.assert_allclose(moved.std, 3 * plain.std, rtol=1e-3)


@pytest.mark.parametrize("warp", ["identity", "sinh_arcsinh"])
def test_leaving_one_out_is_as_many_refits(warp):
    x, y = _data()
    gp = GaussianProcess(warp=warp)
    state = gp.condition_on(x, y, **GIVEN)
    unseen = gp.leave_one_out(state)
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        reference = _sklearn().fit(state.x[others], state.y[others])
        mean, std = reference.predict(state.x[i : i + 1], return_std=True)
        expected = state.scaling.moments(mean, np.hypot(std, 0.1))
        np.testing.assert_allclose(unseen.mean[i], expected[0][0], rtol=1e-5)
        np.testing.assert_allclose(unseen.std[i], expected[1][0], rtol=1e-5)


def test_a_lone_point_is_left_to_the_prior():
    gp = GaussianProcess()
    unseen = gp.leave_one_out(gp.fit(KEY, [[1.0]], [3.0]))
    assert unseen.mean.shape == (1,)
    assert np.isfinite(unseen.std[0])


def test_draws_have_the_moments_of_the_joint_posterior():
    x, y = _data()
    gp = GaussianProcess(warp="identity")
    state = gp.condition_on(x, y, **GIVEN)
    x_new = np.concatenate([_data(5, seed=1)[0], x[:1]])
    draws = np.asarray(gp.sample(state, KEY, x_new, 40_000))
    assert draws.shape == (40_000, 6)
    assert draws.dtype == np.float32
    reference = _sklearn().fit(state.x, state.y)
    mean, covariance = reference.predict(state.scaling.inputs(x_new), return_cov=True)
    mean, covariance = mean * y.std() + y.mean(), covariance * y.var()
    std = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=4 * std.max() / 200)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.03 * std.max() ** 2)
    assert stats.kstest((draws[:, 0] - mean[0]) / std[0], "norm").pvalue > 1e-4


def test_draws_are_mapped_back_from_the_warped_scale():
    x, y = _data()
    gp = GaussianProcess()
    state = gp.fit(KEY, x, y)
    x_new = _data(8, seed=1)[0]
    draws = np.asarray(gp.sample(state, KEY, x_new, 40_000))
    posterior = gp.predict(state, x_new)
    np.testing.assert_allclose(draws.mean(axis=0), posterior.mean, rtol=0.05, atol=0.02)
    np.testing.assert_allclose(draws.std(axis=0), posterior.std, rtol=0.1)
    assert np.max(np.abs(stats.skew(draws))) > 0.05


def test_draws_repeat_with_the_key_and_come_for_equal_points():
    x, y = _data()
    gp = GaussianProcess(warp="identity")
    state = gp.fit(KEY, x, y)
    twins = np.array([[0.5, 0.5], [0.5, 0.5], [0.1, 0.1]])
    first, second = (np.asarray(gp.sample(state, jax.random.key(3), twins, 4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first[:, 0], first[:, 1], rtol=1e-3)  # one function: equal where the points are
    assert np.all(np.abs(first[:, 0] - first[:, 2]) > 1e-4)
    assert not np.array_equal(first, gp.sample(state, jax.random.key(4), twins, 4))
    assert gp.sample(state, KEY, np.empty((0, 2)), 4).shape == (4, 0)
    with pytest.raises(ValueError, match="num must be at least 1"):
        gp.sample(state, KEY, twins, 0)


def test_known_noise_agrees_with_scikit_learn():
    x, y = _data()
    known = np.random.default_rng(2).uniform(0.0, 1.5, len(y))
    gp = GaussianProcess(warp="identity")
    state = gp.condition_on(x, y, **GIVEN, known_noise_std=known)
    reference = _sklearn(0.1**2 + (known / y.std()) ** 2).fit(state.x, state.y)
    x_new = _data(seed=1)[0]
    mean, std = reference.predict(state.scaling.inputs(x_new), return_std=True)
    posterior = gp.predict(state, x_new)
    np.testing.assert_allclose(posterior.mean, mean * y.std() + y.mean(), rtol=1e-5)
    np.testing.assert_allclose(posterior.std, std * y.std(), rtol=1e-5)


def test_points_known_to_be_noisy_are_trusted_less():
    x, y = _data()
    y[3] += 20.0
    gp = GaussianProcess(warp="identity")
    doubted = gp.fit(KEY, x, y, noise_std=np.where(np.arange(len(y)) == 3, 100.0, 0.0))
    trusted = gp.fit(KEY, x, y)
    truth = np.exp(2 * np.sin(5 * x[3, 0]))
    errors = [abs(float(gp.predict(state, x[3:4]).mean[0]) - truth) for state in (doubted, trusted)]
    assert errors[0] < 0.3 * errors[1]


@pytest.mark.parametrize("noise_std", [[0.1], np.full(24, -1.0), np.full(24, np.nan), "much"])
def test_known_noise_that_cannot_be_is_refused(noise_std):
    x, y = _data()
    with pytest.raises(ValueError, match=r"^noise_std must"):
        GaussianProcess().fit(KEY, x, y, noise_std=noise_std)


def test_added_points_are_checked():
    x, y = _data()
    gp = GaussianProcess(warp="log_distance", upper_bound=100.0)
    state = gp.condition_on(x, y, **GIVEN)
    with pytest.raises(ValueError, match="x must have the 2 features"):
        gp.condition(state, [[1.0]], [1.0])
    with pytest.raises(ValueError, match="y must be finite"):
        gp.condition(state, x[:1], [np.nan])
    with pytest.raises(ValueError, match=r"y must be below upper_bound=100\.0, got 101"):
        gp.condition(state, x[:1], [101.0])
