"""The machines against scikit-learn's with its own kernel, and the choice of hyperparameters by brute force."""

import jax
import numpy as np
import pytest
from sklearn.svm import SVR

from nas_jax.surrogates.metrics import coverage
from nas_jax.surrogates.svm import SVM

KEY = jax.random.key(0)


def _data(n=60, noise=0.1):
    rng = np.random.default_rng(1)
    x = rng.uniform(-3, 5, size=(n, 2))
    return x, 10 + np.sin(x[:, 0]) + 0.2 * x[:, 1] + noise * rng.normal(size=n)


def test_without_a_warp_the_mean_is_that_of_scikit_learn():
    x, y = _data()
    svm = SVM(warp="identity")
    state = svm.fit(KEY, x, y)
    queries = np.random.default_rng(2).uniform(-3, 5, size=(3000, 2))  # more than one chunk
    low, span = x.min(axis=0), np.ptp(x, axis=0)
    machine = SVR(C=state.choice.c, gamma=state.choice.gamma, epsilon=state.choice.epsilon)
    machine.fit((x - low) / span, (y - np.mean(y)) / np.std(y))
    expected = machine.predict((queries - low) / span) * np.std(y) + np.mean(y)
    np.testing.assert_allclose(svm.predict(state, queries).mean, expected, rtol=1e-4)


def test_a_replica_is_a_machine_on_repeated_rows():
    """Weights are whole numbers, so a replica is scikit-learn's machine on rows given that often."""
    x, y = _data(n=30)
    svm = SVM(warp="identity", num_replicas=2)
    state = svm.fit(KEY, x, y)
    seed = int(jax.random.bits(KEY))
    rng = np.random.default_rng(seed)
    rng.permutation(30)  # the folds
    bag = rng.integers(30, size=30)
    inputs, targets = (x - x.min(axis=0)) / np.ptp(x, axis=0), (y - np.mean(y)) / np.std(y)
    machine = SVR(C=state.choice.c, gamma=state.choice.gamma, epsilon=state.choice.epsilon)
    expected = machine.fit(inputs[bag], targets[bag]).predict(inputs)
    kernel = np.exp(-state.choice.gamma * np.sum((inputs[:, None] - inputs) ** 2, axis=-1))
    np.testing.assert_allclose(state.dual[1] @ kernel + state.intercept[1], expected, atol=0.01)


def test_the_deviation_is_the_spread_of_the_replicas():
    x, y = _data()
    svm = SVM(warp="identity")
    state = svm.fit(KEY, x, y)
    inputs = (x - x.min(axis=0)) / np.ptp(x, axis=0)
    kernel = np.exp(-state.choice.gamma * np.sum((inputs[:, None] - inputs) ** 2, axis=-1))
    replicas = np.std(y) * (state.dual[1:] @ kernel + state.intercept[1:, None])
    np.testing.assert_allclose(svm.predict(state, x).std, np.std(replicas, axis=0), rtol=1e-4)
    noise = state.noise_std * np.std(y)
    noisy = svm.predict(state, x, with_noise=True).std
    np.testing.assert_allclose(noisy, np.sqrt(np.var(replicas, axis=0) + noise**2), rtol=1e-4)


def test_the_better_gamma_is_chosen():
    """A fast wave needs a narrow kernel, a straight line a wide one."""
    x = np.linspace(0, 1, 60)[:, None]
    settings = {"gammas": (0.01, 10.0), "costs": (10.0,), "epsilons": (0.05,), "warp": "identity"}
    wave, line = (SVM(**settings).fit(KEY, x, y).choice.gamma for y in (np.sin(20 * x[:, 0]), x[:, 0]))
    assert wave == pytest.approx(10 / np.var(x))
    assert line == pytest.approx(0.01 / np.var(x))


def test_noise_is_about_that_of_the_data():
    x, y = _data(n=300, noise=0.3)
    svm = SVM(warp="identity")
    state = svm.fit(KEY, x, y)
    assert state.noise_std * np.std(y) == pytest.approx(0.3, rel=0.2)
    x_new, y_new = _data(n=1300, noise=0.3)
    posterior = svm.predict(state, x_new[300:], with_noise=True)
    assert coverage(posterior, y_new[300:]) == pytest.approx(0.95, abs=0.03)


def test_units_do_not_matter():
    x, y = _data()
    first, second = (
        SVM(warp="identity").predict(SVM(warp="identity").fit(KEY, features, y), features)
        for features in (x, 1000 * x - 7)
    )
    np.testing.assert_allclose(first.mean, second.mean, rtol=1e-4)
    np.testing.assert_allclose(first.std, second.std, rtol=1e-2)
