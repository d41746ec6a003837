"""The conformal scale: exact coverage for exchangeable scores, and what it leaves alone."""

import jax
import numpy as np
import pytest
from scipy import stats

from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.calibrated import Calibrated, conformal_scale
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.metrics import coverage
from nas_jax.surrogates.random_forest import RandomForest

KEY = jax.random.key(0)


def _data(n=60, noise=0.5):
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(n, 2))
    return x, 2 * x[:, 0] + noise * rng.normal(size=n)


class Overconfident:
    """The mean of the targets, and a deviation that is wrong by a given factor."""

    def __init__(self, factor):
        self.factor = factor

    def fit(self, key, x, y):
        return np.mean(y), np.std(y)

    def predict(self, state, x_new, *, with_noise=False):
        ones = jax.numpy.ones(len(x_new))
        return Posterior(state[0] * ones, self.factor * state[1] * ones * (1.0 if with_noise else 0.5))


@pytest.mark.parametrize(("num", "level"), [(9, 0.9), (20, 0.9), (40, 0.5), (99, 0.95)])
def test_exchangeable_scores_are_covered_as_often_as_the_theorem_says(num, level):
    """With continuous scores exactly ceil((n + 1) level) / (n + 1), whatever their distribution."""
    rng = np.random.default_rng(0)
    draws = np.exp(rng.normal(size=(20_000, num + 1)))
    half_width = stats.norm.ppf(0.5 + level / 2)
    held = [scores[-1] <= conformal_scale(scores[:-1], level) * half_width for scores in draws]
    assert np.mean(held) == pytest.approx(np.ceil((num + 1) * level) / (num + 1), abs=0.01)


def test_too_few_scores_for_the_level_give_the_largest():
    assert conformal_scale(np.array([3.0, 1.0]), 0.95) == pytest.approx(3 / 1.959964)


def test_gaussian_scores_are_left_as_they_are():
    scores = np.abs(stats.norm.ppf((np.arange(4000) + 0.5) / 4000))
    for level in (0.5, 0.9, 0.95):
        assert conformal_scale(scores, level) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("factor", [0.2, 1.0, 4.0])
def test_a_wrong_factor_is_put_right(factor):
    rng = np.random.default_rng(2)
    x, y = rng.uniform(size=(200, 1)), rng.normal(size=200)
    calibrated = Calibrated(Overconfident(factor))
    state = calibrated.fit(KEY, x, y)
    assert state.scale == pytest.approx(1 / factor, rel=0.15)
    posterior = calibrated.predict(state, np.zeros((4000, 1)), with_noise=True)
    assert coverage(posterior, rng.normal(size=4000), 0.9) == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize("surrogate", [GaussianProcess(), RandomForest(num_trees=50)])
def test_means_stay_and_deviations_share_a_factor(surrogate):
    x, y = _data()
    calibrated = Calibrated(surrogate)
    state = calibrated.fit(KEY, x, y)
    for with_noise in (False, True):
        own = surrogate.predict(state.state, x, with_noise=with_noise)
        posterior = calibrated.predict(state, x, with_noise=with_noise)
        np.testing.assert_array_equal(posterior.mean, own.mean)
        np.testing.assert_allclose(posterior.std / own.std, state.scale, rtol=1e-5)


def test_the_surrogate_learns_all_rows():
    x, y = _data(n=20)
    state = Calibrated(GaussianProcess()).fit(KEY, x, y)
    assert len(state.state.y) == 20


def test_a_scale_stays_in_its_bounds():
    assert Calibrated(Overconfident(1e3)).fit(KEY, *_data(n=20)).scale == pytest.approx(0.1)
    assert Calibrated(Overconfident(1e-3)).fit(KEY, *_data(n=20)).scale == pytest.approx(10)
    assert Calibrated(Overconfident(1e-3)).fit(KEY, *_data(n=1)).scale == 1
