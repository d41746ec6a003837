"""What a surrogate can besides predicting, asked of it directly and through the surrogates that wrap it."""

import json

import jax
import numpy as np
import pytest

from nas_jax.surrogates.auto import Auto
from nas_jax.surrogates.base import Conditioning, Explaining, RelevanceDetermining, Sampling, Surrogate, Wrapping
from nas_jax.surrogates.calibrated import Calibrated
from nas_jax.surrogates.capabilities import conditioner_of, description_of, grouped, lengthscales_of, sampler_of
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.random_forest import RandomForest

KEY = jax.random.key(0)
GP = GaussianProcess(warp="identity", num_starts=1)
FOREST = RandomForest(num_trees=20)
WRAPPERS = [Calibrated(GP), Auto((GP, FOREST)), Calibrated(Auto((GP, FOREST))), Auto((Calibrated(GP), FOREST))]
INCAPABLE = [FOREST, Calibrated(FOREST), Auto((FOREST,)), Calibrated(Auto((FOREST, GP)))]


def _data(n=6):
    """Few rows, of which an Auto takes its first choice."""
    x = np.random.default_rng(0).uniform(size=(n, 2))
    return x, np.sin(4 * x[:, 0]) + 0.3 * x[:, 1]


def _name(surrogate):
    return type(surrogate).__name__


def _innermost(surrogate, state):
    while isinstance(surrogate, Wrapping):
        surrogate, state = surrogate.unwrap(state)
    return surrogate, state


def test_protocols_tell_surrogates_apart():
    assert all(isinstance(GP, each) for each in (Surrogate, Sampling, Conditioning, Explaining, RelevanceDetermining))
    assert not any(isinstance(FOREST, each) for each in (Sampling, Conditioning, RelevanceDetermining, Wrapping))
    assert all(isinstance(wrapper, Wrapping) and isinstance(wrapper, Surrogate) for wrapper in WRAPPERS)
    assert not any(isinstance(wrapper, Sampling | Conditioning) for wrapper in WRAPPERS)


def test_labels_of_features_reach_the_innermost_surrogates():
    drawn = GaussianProcess(hyperparameters="drawn", num_starts=1)
    told = grouped(Auto((Calibrated(drawn), FOREST, GP)), "ab")
    calibrated, forest, optimised = told.choices
    assert calibrated.surrogate.groups == ("a", "b")
    assert (forest, optimised) == (FOREST, GP)  # which have no use for them


@pytest.mark.parametrize("surrogate", [GP, *WRAPPERS], ids=_name)
def test_conditioning_is_that_of_the_innermost_surrogate(surrogate):
    """The rows that are added tell the wrappers nothing: factor and choice stay."""
    x, y = _data()
    x_new = np.random.default_rng(1).uniform(size=(3, 2))
    state = surrogate.fit(KEY, x, y)
    conditioned = conditioner_of(surrogate, state)(x_new, np.ones(3))
    inner, inner_state = _innermost(surrogate, state)
    expected = inner.condition(inner_state, x_new, np.ones(3))
    found = _innermost(surrogate, conditioned)[1]
    for leaf, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(leaf, other)
    assert len(found.y) == len(y) + 3
    assert type(conditioned) is type(state)


def test_factor_and_choice_survive_conditioning():
    x, y = _data(n=20)
    surrogate = Calibrated(Auto((GP, FOREST)))
    state = surrogate.fit(KEY, x, y)
    conditioned = conditioner_of(surrogate, state)(x[:1], y[:1])
    assert conditioned.scale == state.scale != 1.0
    assert (conditioned.state.chosen, conditioned.state.scores) == (state.state.chosen, state.state.scores)


@pytest.mark.parametrize("surrogate", [GP, *WRAPPERS], ids=_name)
def test_draws_have_the_moments_of_predictions(surrogate):
    x, y = _data(n=15)
    x_new = np.random.default_rng(1).uniform(size=(6, 2))
    state = surrogate.fit(KEY, x, y)
    draws = np.asarray(sampler_of(surrogate, state)(jax.random.key(1), x_new, 20_000))
    posterior = surrogate.predict(state, x_new)
    std = np.asarray(posterior.std)
    np.testing.assert_allclose(draws.mean(axis=0), posterior.mean, atol=4 * std.max() / 20_000**0.5)
    np.testing.assert_allclose(draws.std(axis=0), std, rtol=0.03)


def test_calibrated_draws_are_the_surrogates_own_spread_about_the_mean():
    x, y = _data(n=15)
    x_new = np.random.default_rng(1).uniform(size=(6, 2))
    calibrated = Calibrated(GP)
    state = calibrated.fit(KEY, x, y)
    assert abs(state.scale - 1) > 0.1
    mean = np.asarray(GP.predict(state.state, x_new).mean)
    own = np.asarray(GP.sample(state.state, KEY, x_new, 5)) - mean
    wrapped = np.asarray(sampler_of(calibrated, state)(KEY, x_new, 5))
    np.testing.assert_allclose(wrapped - mean, state.scale * own, rtol=1e-4, atol=1e-6)
    assert sampler_of(calibrated, state)(KEY, x_new[:0], 5).shape == (5, 0)


@pytest.mark.parametrize("surrogate", INCAPABLE, ids=_name)
def test_none_claims_what_the_surrogate_within_cannot(surrogate):
    state = surrogate.fit(KEY, *_data())
    assert sampler_of(surrogate, state) is None
    assert conditioner_of(surrogate, state) is None
    assert lengthscales_of(surrogate, state) is None


def test_a_choice_can_what_it_took_and_no_more():
    """The same settings, with a state of either choice."""
    x, y = _data()
    auto = Auto((GP, FOREST))
    state = auto.fit(KEY, x, y)
    of_forest = state._replace(chosen="random_forest", state=FOREST.fit(KEY, x, y))
    assert sampler_of(auto, state) is not None
    assert sampler_of(auto, of_forest) is None
    assert conditioner_of(auto, of_forest) is None


def test_descriptions_are_plain_data():
    x, y = _data()
    state = GP.fit(KEY, x, y)
    description = description_of(GP, state)
    assert description == {
        "lengthscales": state.lengthscales.tolist(),
        "signal_std": state.signal_std,
        "noise_std": state.noise_std,
    }
    assert json.loads(json.dumps(description)) == description
    isotropic = GaussianProcess(ard=False, num_starts=1)
    assert len(description_of(isotropic, isotropic.fit(KEY, x, y))["lengthscales"]) == 1


def test_descriptions_pass_through_wrappers():
    x, y = _data()
    calibrated, auto, of_forest = Calibrated(GP), Auto((GP, FOREST)), Auto((FOREST, GP))
    state = calibrated.fit(KEY, x, y)
    assert description_of(calibrated, state) == GP.describe(state.state)
    state = auto.fit(KEY, x, y)
    assert description_of(auto, state) == {"surrogate": "gaussian_process", **GP.describe(state.state)}
    assert description_of(of_forest, of_forest.fit(KEY, x, y)) == {"surrogate": "random_forest"}
    assert description_of(FOREST, FOREST.fit(KEY, x, y)) == {}


@pytest.mark.parametrize("surrogate", [GP, *WRAPPERS], ids=_name)
def test_lengthscales_are_those_of_the_innermost_surrogate(surrogate):
    state = surrogate.fit(KEY, *_data())
    np.testing.assert_array_equal(lengthscales_of(surrogate, state), _innermost(surrogate, state)[1].lengthscales)


def test_one_lengthscale_for_all_features_determines_no_relevance():
    for surrogate in (isotropic := GaussianProcess(ard=False, num_starts=1), Calibrated(isotropic)):
        assert lengthscales_of(surrogate, surrogate.fit(KEY, *_data())) is None
