"""Surrogates that are settings of others, and what is said of wrong ones."""

import pytest

from nas_jax.build import build
from nas_jax.errors import UserError
from nas_jax.surrogates.auto import Auto
from nas_jax.surrogates.calibrated import Calibrated
from nas_jax.surrogates.deep_ensemble import DeepEnsemble
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.random_forest import RandomForest
from nas_jax.surrogates.settings import surrogate_of, title_of
from nas_jax.surrogates.svm import SVM


@pytest.mark.parametrize(
    ("section", "surrogate"),
    [
        (SVM(num_replicas=5), SVM(num_replicas=5)),
        ("random_forest", RandomForest()),
        ({"name": "random_forest", "num_trees": 30}, RandomForest(num_trees=30)),
        ({"name": "svm", "costs": [1.0, 2.0]}, SVM(costs=(1.0, 2.0))),
        ({"name": "calibrated", "surrogate": {"name": "svm", "num_folds": 3}}, Calibrated(SVM(num_folds=3))),
    ],
)
def test_a_setting_becomes_a_surrogate(section, surrogate):
    assert surrogate_of(section) == surrogate
    assert hash(surrogate_of(section)) == hash(surrogate)


@pytest.mark.parametrize("name", ["gaussian_process", "random_forest", "svm", "deep_ensemble", "auto", "calibrated"])
def test_titles_lead_back(name):
    assert title_of(surrogate_of(name)) == name


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("forest", "unknown surrogate 'forest'; choose from .*random_forest"),
        ({"name": "random_forest", "trees": 3}, "no setting 'trees'; choose from num_trees"),
        ({"num_trees": 3}, "a name"),
        (RandomForest, "must be one"),
        (None, "must be one"),
        ({"name": "svm", "costs": []}, "costs must be positive"),
    ],
)
def test_a_wrong_setting_is_refused(section, message):
    with pytest.raises(ValueError, match=message):
        surrogate_of(section)


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "random_forest", "num_trees": "500"}, "surrogate 'random_forest', .*'500'.*: '<' not supported"),
        ({"name": "svm", "costs": 10.0}, "surrogate 'svm', .*10.0.* has no len"),
    ],
)
def test_a_setting_of_another_type_is_refused(section, message):
    with pytest.raises(ValueError, match=message):
        surrogate_of(section)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (RandomForest, {"num_trees": 0}, "num_trees must be at least 1, got 0"),
        (RandomForest, {"max_features": 1.5}, "max_features"),
        (RandomForest, {"warp": "log"}, "unknown warp 'log'; choose from"),
        (RandomForest, {"warp": "log_distance"}, "upper_bound"),
        (SVM, {"upper_bound": 1.0}, "upper_bound"),
        (SVM, {"num_folds": 1}, "num_folds must be at least 2, got 1"),
        (SVM, {"num_replicas": 1}, "num_replicas must be at least 2, got 1"),
        (SVM, {"gammas": (0.0,)}, "gammas must be positive"),
        (DeepEnsemble, {"depth": 0}, "depth must be at least 1"),
        (DeepEnsemble, {"learning_rate": 0.0}, "learning_rate"),
        (Calibrated, {"num_folds": 1}, "num_folds must be at least 2"),
        (Calibrated, {"level": 95.0}, "level must lie between 0 and 1"),
        (Auto, {"choices": ()}, "at least one surrogate"),
        (Auto, {"choices": "svm"}, "must be a sequence"),
        (Auto, {"num_folds": 1}, "num_folds must be at least 2"),
    ],
)
def test_settings_out_of_range_are_refused(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_config_sections_build_them():
    section = {"name": "calibrated", "surrogate": {"name": "random_forest", "num_trees": 30}, "level": 0.8}
    assert build("nas_jax.surrogates", section) == Calibrated(RandomForest(num_trees=30), level=0.8)
    section = {"name": "auto", "choices": ["gaussian_process", {"name": "svm", "num_folds": 3}]}
    assert build("nas_jax.surrogates", section) == Auto((GaussianProcess(), SVM(num_folds=3)))
    with pytest.raises(UserError, match=r"surrogate.*'forest'; choose from"):
        build("nas_jax.surrogates", {"name": "calibrated", "surrogate": "forest"})
