"""The estimator keeps scikit-learn's rules, works in its tools, and says what the surrogate says."""

import doctest
import pickle
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import nas_jax.surrogates.sklearn
from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.sklearn import SurrogateRegressor

pytestmark = pytest.mark.usefixtures("compiled_quickly")

# Checks that scikit-learn itself leaves out here, and why.
SKIPPED = {
    "check_array_api_input": "the environment variable SCIPY_ARRAY_API must be set before SciPy is imported",
    "check_regressor_data_not_an_array": "its last part needs pandas; all others have passed by then",
}


class RidgeState(NamedTuple):
    weights: np.ndarray  # [d + 1], the last is the intercept
    noise_std: float
    draw: float  # tells fits with different keys apart


@dataclass(frozen=True)
class Ridge:
    """A surrogate that costs nothing: a line of constant deviation."""

    penalty: float = 1e-3

    def fit(self, key, x, y):
        x = np.column_stack([x, np.ones(len(x))])
        weights = np.linalg.solve(x.T @ x + self.penalty * np.eye(x.shape[1]), x.T @ y)
        return RidgeState(weights, float(np.std(y - x @ weights)), float(jax.random.uniform(key)))

    def predict(self, state, x_new, *, with_noise=False):
        mean = jnp.asarray(np.sum(x_new * state.weights[:-1], axis=1) + state.weights[-1], jnp.float32)
        return Posterior(mean, jnp.full(mean.shape, 0.5 + with_noise * state.noise_std, jnp.float32))


class Opaque:
    """A surrogate that is no dataclass, so that its settings cannot be told."""

    def __repr__(self):
        return "Opaque()"  # the name of a test must not hold an address

    def fit(self, key, x, y):
        return Ridge().fit(key, x, y)

    def predict(self, state, x_new, *, with_noise=False):
        return Ridge().predict(state, x_new, with_noise=with_noise)


def _data(n=30):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(n, 2))
    return X, 5 + np.sin(6 * X[:, 0]) + X[:, 1] + 0.01 * rng.normal(size=n)


@parametrize_with_checks([SurrogateRegressor(Ridge()), SurrogateRegressor(Opaque())])
def test_it_keeps_the_rules_of_scikit_learn(estimator, check):
    check(estimator)


def test_it_keeps_the_rules_of_scikit_learn_around_a_gaussian_process():
    surrogate = GaussianProcess(num_starts=1, max_evaluations=10)  # hardly a check asks for a good fit
    results = check_estimator(SurrogateRegressor(surrogate), on_skip=None)  # a failure is raised
    assert {result["check_name"] for result in results if result["status"] != "passed"} <= SKIPPED.keys()
    assert len(results) > 40


def test_it_says_what_the_surrogate_says():
    X, y = _data()
    surrogate = GaussianProcess()
    regressor = SurrogateRegressor(surrogate).fit(X, y)
    for with_noise in (False, True):
        mean, std = regressor.set_params(with_noise=with_noise).predict(X[:7], return_std=True)
        posterior = surrogate.predict(regressor.state_, X[:7], with_noise=with_noise)
        np.testing.assert_array_equal(mean, posterior.mean)
        np.testing.assert_array_equal(std, posterior.std)
        np.testing.assert_array_equal(mean, regressor.predict(X[:7]))
        assert mean.shape == std.shape == (7,)
        assert mean.dtype == std.dtype == np.float64
        assert np.all(std > 0)


def test_it_is_as_good_as_the_gaussian_process_of_scikit_learn():
    X, y = _data(n=100)
    kernel = ConstantKernel(1.0, (1e-3, 1e4)) * Matern([1.0, 1.0], (1e-2, 1e3), nu=2.5) + WhiteKernel(1e-2, (1e-8, 1))
    reference = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0).fit(X[:30], y[:30])
    regressor = SurrogateRegressor(GaussianProcess(), random_state=0).fit(X[:30], y[:30])
    assert regressor.score(X[30:], y[30:]) == pytest.approx(reference.score(X[30:], y[30:]), abs=5e-3)


def test_it_works_in_a_pipeline_and_cross_validation():
    X, y = _data()
    regressor = SurrogateRegressor(GaussianProcess(), random_state=0)
    pipeline = make_pipeline(StandardScaler(), regressor)
    mean, std = pipeline.fit(X, y).predict(X, return_std=True)
    for values, unscaled in zip((mean, std), regressor.fit(X, y).predict(X, return_std=True), strict=True):
        np.testing.assert_allclose(values, unscaled, rtol=1e-3)  # a Gaussian process scales by itself
    assert np.mean(cross_val_score(pipeline, X, y, cv=3)) > 0.9


def test_settings_of_the_surrogate_are_searched():
    X, y = _data()
    regressor = SurrogateRegressor(GaussianProcess(kernel="matern52"), random_state=0)
    search = GridSearchCV(regressor, {"surrogate__kernel": ["matern52", "rbf"]}, cv=3).fit(X, y)
    assert search.best_params_ == {"surrogate__kernel": "rbf"}
    assert search.best_estimator_.surrogate == replace(regressor.surrogate, kernel="rbf")
    assert regressor.surrogate.kernel == "matern52"


def test_surrogates_are_searched():
    X, y = _data()
    surrogates = [Ridge(), GaussianProcess()]
    pipeline = make_pipeline(StandardScaler(), SurrogateRegressor(Ridge(), random_state=0))
    search = GridSearchCV(pipeline, {"surrogateregressor__surrogate": surrogates}, cv=3).fit(X, y)
    assert search.best_params_ == {"surrogateregressor__surrogate": surrogates[1]}


def test_parameters_reach_the_settings():
    regressor = SurrogateRegressor(Ridge(), random_state=3)
    assert regressor.get_params(deep=False) == {"surrogate": Ridge(), "random_state": 3, "with_noise": False}
    assert regressor.get_params()["surrogate__penalty"] == Ridge().penalty
    assert regressor.set_params(surrogate__penalty=2.0, with_noise=True) is regressor
    assert (regressor.surrogate, regressor.with_noise) == (Ridge(2.0), True)
    regressor.set_params(surrogate__num_starts=2, surrogate=GaussianProcess())  # in whatever order
    assert regressor.surrogate == GaussianProcess(num_starts=2)


@pytest.mark.parametrize(
    ("surrogate", "name", "message"),
    [
        (Ridge(), "surrogate__depth", "no setting 'depth'; choose from penalty"),
        (Opaque(), "surrogate__penalty", "no setting 'penalty'"),
        (Ridge(), "depth", "Invalid parameter 'depth'"),
    ],
)
def test_unknown_parameters_are_refused(surrogate, name, message):
    with pytest.raises(ValueError, match=message):
        SurrogateRegressor(surrogate).set_params(**{name: 3})


def test_a_clone_has_the_settings_and_nothing_learned():
    original = SurrogateRegressor(GaussianProcess(kernel="rbf"), random_state=1, with_noise=True)
    original.state_ = "something learned"
    copy = clone(original)
    assert copy.get_params() == original.get_params()
    assert not hasattr(copy, "state_")


def test_a_fitted_estimator_predicts_with_the_surrogate_that_learned():
    X, y = _data()
    regressor = SurrogateRegressor(Ridge()).fit(X, y)
    before = regressor.predict(X)
    regressor.set_params(surrogate=GaussianProcess())
    np.testing.assert_array_equal(regressor.predict(X), before)


def test_pickled_and_back_it_predicts_the_same():
    X, y = _data()
    regressor = SurrogateRegressor(GaussianProcess(), random_state=0).fit(X, y)
    copy = pickle.loads(pickle.dumps(regressor))
    for first, second in zip(regressor.predict(X, return_std=True), copy.predict(X, return_std=True), strict=True):
        np.testing.assert_array_equal(first, second)


def test_random_state_follows_the_conventions_of_scikit_learn():
    X, y = _data()

    def draws(random_state):
        regressor = SurrogateRegressor(Ridge(), random_state=random_state)
        return [regressor.fit(X, y).state_.draw for _ in range(2)]

    first, second = draws(0)
    assert first == second
    assert draws(1)[0] != first
    first, second = draws(np.random.RandomState(0))
    assert first != second
    assert [first, second] == draws(np.random.RandomState(0))


@pytest.mark.parametrize("surrogate", [GaussianProcess, None, "gaussian_process"])
def test_what_is_no_surrogate_is_refused(surrogate):
    with pytest.raises(TypeError, match="surrogate must be one"):
        SurrogateRegressor(surrogate).fit(*_data())


def test_wrong_data_are_refused_in_the_words_of_scikit_learn():
    X, y = _data()
    regressor = SurrogateRegressor(Ridge())
    with pytest.raises(NotFittedError, match="not fitted yet"):
        regressor.predict(X)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        regressor.fit(sparse.csr_array(X), y)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        regressor.fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="expecting 2 features"):
        regressor.fit(X, y).predict(X[:, :1])


def test_the_example_does_what_it_says():
    results = doctest.testmod(nas_jax.surrogates.sklearn)
    assert results.attempted > 0
    assert results.failed == 0
