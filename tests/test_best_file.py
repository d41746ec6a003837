"""`best/metrics.json`: what an evaluator calls its metrics is not taken for what the file says itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_jax.best_file import BASELINE_FIELDS, FIELDS, metrics_of, metrics_of_baseline, read_best, with_metrics
from nas_jax.errors import UserError

NAMES = st.sampled_from((*FIELDS, "seeds", "val_loss"))


@given(st.dictionaries(NAMES, st.floats(allow_nan=False)), st.dictionaries(st.sampled_from(tuple(FIELDS)), st.none()))
def test_metrics_of_any_names_come_back_and_no_field_with_them(metrics, fields):
    fields.pop("metrics", None)
    written = json.loads(json.dumps(with_metrics(fields, metrics)))
    assert metrics_of(written) == metrics
    assert {name: written[name] for name in fields} == fields
    assert metrics_of_baseline(with_metrics({"trial": 3}, metrics, BASELINE_FIELDS)) == metrics


def test_metrics_of_other_names_are_fields_as_they_always_were():
    assert with_metrics({"trial": 3}, {"val_loss": 0.5}) == {"val_loss": 0.5, "trial": 3}


def test_metrics_that_are_named_like_those_of_a_training_may_be_anything(tmp_path):
    """Only the objectives' have to be numbers."""
    metrics = {"seeds": 3.0, "num_params": "many", "loss_per_seed": 2, "loss_std_error": "small", "trial": 0.5}
    written = with_metrics({"trial": 7, "baselines": {"baseline": with_metrics({"trial": 2}, metrics)}}, metrics)
    (tmp_path / "metrics.json").write_text(json.dumps(written))
    assert read_best(tmp_path, ["trial"]) == written
    for wrong in (["num_params"], ["loss_std_error"]):
        with pytest.raises(UserError, match=rf"'{wrong[0]}': must be a number"):
            read_best(tmp_path, wrong)


@pytest.mark.parametrize(
    ("damaged", "name"),
    [
        ({"metrics": 3}, "metrics"),
        ({"baselines": {"random": {"trial": 1, "metrics": [1]}}}, "metrics"),
        ({"baselines": {"random": {"val_loss": 0.5}}}, "trial"),
        ({"baselines": {"random": {"trial": "first"}}}, "trial"),
    ],
)
def test_fields_of_another_kind_are_damage(tmp_path, damaged, name):
    (tmp_path / "metrics.json").write_text(json.dumps(damaged))
    with pytest.raises(UserError, match=rf"metrics\.json' is damaged: '{name}'.*bring back an earlier copy"):
        read_best(tmp_path)
