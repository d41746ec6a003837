"""The choice among surrogates, where it is known which is right."""

import jax
import numpy as np
import pytest

from nas_jax.surrogates.auto import Auto
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.metrics import nlpd
from nas_jax.surrogates.random_forest import RandomForest
from nas_jax.surrogates.svm import SVM
from nas_jax.surrogates.validation import cross_validate

KEY = jax.random.key(0)
PAIR = Auto(({"name": "random_forest", "num_trees": 50}, "gaussian_process"))


def _smooth(n=50):
    x = np.random.default_rng(0).uniform(size=(n, 3))
    return x, np.sin(4 * x[:, 0]) + x[:, 1] ** 2


def _steps(n=80):
    """Two of twenty features matter, by whether they exceed a threshold."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(n, 20))
    return x, (x[:, 0] > 0.5) + 0.5 * (x[:, 1] > 0.7) + 0.05 * rng.normal(size=n)


@pytest.mark.parametrize(("data", "expected"), [(_smooth(), "gaussian_process"), (_steps(), "random_forest")])
def test_the_right_one_is_taken(data, expected):
    state = PAIR.fit(KEY, *data)
    assert state.chosen == expected
    assert state.scores[expected] == max(state.scores.values())
    assert state.scores.keys() == {"gaussian_process", "random_forest"}


def test_scores_are_cross_validated_densities():
    x, y = _smooth(n=30)
    _, fold_key = jax.random.split(KEY)
    expected = -nlpd(cross_validate(GaussianProcess(), fold_key, x, y, 5), y)
    assert PAIR.fit(KEY, x, y).scores["gaussian_process"] == pytest.approx(expected)


def test_predictions_are_those_of_the_choice_on_all_rows():
    x, y = _smooth(n=30)
    state = PAIR.fit(KEY, x, y)
    fit_key, _ = jax.random.split(KEY)
    expected = GaussianProcess().predict(GaussianProcess().fit(fit_key, x, y), x[:5])
    np.testing.assert_array_equal(PAIR.predict(state, x[:5]).mean, expected.mean)


@pytest.mark.parametrize("num_rows", [1, 7])
def test_few_rows_fall_to_the_first(num_rows):
    x, y = _smooth(n=num_rows)
    state = PAIR.fit(KEY, x, y)
    assert (state.chosen, state.scores) == ("random_forest", {})


def test_choices_of_one_module_are_numbered():
    auto = Auto((RandomForest(num_trees=20, min_samples_leaf=10), SVM(), RandomForest(num_trees=20)))
    assert auto.titles == ("random_forest 1", "svm", "random_forest 2")
    forests = Auto((auto.choices[0], auto.choices[2]))
    assert forests.fit(KEY, *_smooth()).chosen == "random_forest 2"
