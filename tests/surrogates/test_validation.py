"""Cross-validation with a surrogate that remembers what it saw."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.surrogates import metrics
from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.gaussian_process import make
from nas_jax.surrogates.validation import cross_validate

KEY = jax.random.key(0)


class _Seen(NamedTuple):
    rows: np.ndarray
    noise: float


class _Recorder:
    """Predicts how many points it saw, and one more where it saw the point itself."""

    def fit(self, key, x, y):
        return _Seen(x[:, 0], float(jax.random.uniform(key)))

    def predict(self, state, x_new, *, with_noise=False):
        assert with_noise
        mean = len(state.rows) + np.isin(x_new[:, 0], state.rows)
        return Posterior(jnp.asarray(mean, jnp.float32), jnp.full(len(x_new), state.noise, jnp.float32))


def _rows(n):
    return np.arange(n, dtype=float)[:, None], np.arange(n, dtype=float)


@pytest.mark.parametrize(
    ("n", "num_folds", "sizes"), [(20, 10, {18}), (23, 10, {20, 21}), (4, 10, {3}), (9, 2, {4, 5})]
)
def test_no_point_is_predicted_by_a_fit_that_saw_it(n, num_folds, sizes):
    posterior = cross_validate(_Recorder(), KEY, *_rows(n), num_folds=num_folds)
    assert posterior.mean.shape == (n,)
    assert set(np.asarray(posterior.mean).astype(int)) == sizes


def test_folds_come_from_the_key():
    first, again, other = (cross_validate(_Recorder(), key, *_rows(20)).std for key in (KEY, KEY, jax.random.key(1)))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first)) == 10  # every fold has a key of its own


def test_predictions_are_in_the_order_of_the_rows():
    x = np.linspace(0, 1, 30)[:, None]
    y = np.sin(7 * x[:, 0])
    posterior = cross_validate(make(), KEY, x, y, num_folds=5)
    assert metrics.rmse(posterior.mean, y) < 0.1


@pytest.mark.parametrize(("n", "num_folds"), [(1, 10), (5, 1)])
def test_too_little_is_refused(n, num_folds):
    with pytest.raises(ValueError, match="two"):
        cross_validate(_Recorder(), KEY, *_rows(n), num_folds=num_folds)
