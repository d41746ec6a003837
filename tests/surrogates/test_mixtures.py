"""Mixtures against draws from them, and noise that is known."""

import numpy as np
import pytest

from nas_jax.surrogates.mixtures import held_out_noise, mixture_moments, posterior_of
from nas_jax.surrogates.scaling import scaling_of


def test_moments_are_those_of_draws_from_the_mixture():
    rng = np.random.default_rng(0)
    means, variances = rng.normal(size=(4, 3)), rng.uniform(0.1, 2, size=(4, 3))
    member = rng.integers(4, size=400_000)
    draws = means[member] + np.sqrt(variances[member]) * rng.normal(size=(400_000, 3))
    mean, variance = mixture_moments(means, variances)
    np.testing.assert_allclose(mean, draws.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(variance, draws.var(axis=0), rtol=0.02)


def test_noise_is_found_whatever_the_members_explain():
    rng = np.random.default_rng(0)
    num_members, num_rows = 400, 4000
    function = rng.normal(size=num_rows)
    spread = 0.4 * rng.normal(size=(num_members, num_rows))
    common = 0.4 * rng.normal(size=num_rows)  # the members' common error, as large as they disagree
    y = function + common + 0.7 * rng.normal(size=num_rows)
    is_held_out = rng.uniform(size=spread.shape) < 0.3
    noise = held_out_noise(y, function + spread, np.zeros_like(spread), is_held_out)
    assert noise == pytest.approx(0.7, abs=0.03)


def test_what_a_member_has_seen_does_not_count():
    y = np.array([1.0, -1.0, 5.0])
    means = np.array([[1.5, 100.0, 0.0], [100.0, -0.5, 0.0]])
    is_held_out = np.array([[True, False, False], [False, True, False]])
    assert held_out_noise(y, means, np.zeros_like(means), is_held_out) == pytest.approx(0.5)
    assert held_out_noise(y, means, np.zeros_like(means), np.zeros_like(is_held_out)) == 1.0


def test_predictions_come_back_in_units_of_the_targets():
    y = np.array([100.0, 300.0])
    scaling = scaling_of(np.zeros((2, 1)), y, "identity", None)  # mean 200, deviation 100
    posterior = posterior_of(scaling, np.array([0.0, 1.5]), np.array([0.25, 0.0]))
    np.testing.assert_allclose(posterior.mean, [200, 350])
    np.testing.assert_allclose(posterior.std, [50, 0.1])
