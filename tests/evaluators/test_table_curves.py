"""Tables with learning curves: budgets, what they cost, and trainings that diverge."""

import dataclasses

import numpy as np
import pytest
from fakes import Numbers
from written_tables import write_csv, write_curves

from nas_jax.budgets import HasBudgets
from nas_jax.errors import UserError
from nas_jax.evaluators.tabular import Tabular
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.asha import Asha
from nas_jax.trial import Budget, Trial


@pytest.fixture
def tabular(tmp_path):
    """Number 1 diverges after 3 epochs; accuracies in percent."""
    rows = [("number 0", 10, 40, 50, 90, 8), ("number 1", 10, 60, 70, "", 8), ("number 2", 10, 0.5, 0.6, 0.7, 4)]
    header = ("name", "val_accuracy_0", "val_accuracy_3", "val_accuracy_1", "val_accuracy_10", "time")
    path = write_csv(tmp_path / "curves.csv", header, rows)
    return Tabular(Numbers(), str(path), key="name", curve="val_accuracy_{}", seconds="time")


def trial(number, id=0, epochs=None, continues=None, start=None):
    budget, start = epochs and Budget(epochs), start and Budget(start)
    return Trial(id, (number,), "", "search", 0, budget=budget, continues=continues, start=start)


def test_a_budget_is_a_column_and_the_curve_ends_there(tabular):
    assert isinstance(tabular, HasBudgets)
    assert tabular.budgets.each == (1, 3, 10)
    assert tabular.metric_names == ("val_accuracy",)
    part, whole, low = tabular.evaluate(iter([trial(0, epochs=3), trial(0), trial(2)]))
    assert part.metrics["val_accuracy"] == 0.4
    assert part.metrics["curve"] == {"val_accuracy": [0.5, 0.4]}
    assert whole.metrics["curve"] == {"val_accuracy": [0.5, 0.4, 0.9]}
    assert low.metrics["val_accuracy"] == pytest.approx(0.007)


def test_a_training_fails_from_where_it_diverges(tabular):
    finished, diverged = tabular.evaluate(iter([trial(1, epochs=3), trial(1, 1, 10, continues=0, start=3)]))
    assert finished.status == "finished"
    assert (diverged.status, diverged.failure) == ("failed", "non_finite")
    assert any("diverged" in note for note in tabular.notes)


def test_what_is_continued_takes_only_what_is_added(tabular):
    """Also where what it continues was measured by another process."""
    trials = [trial(0, 0, 1), trial(0, 1, 3, 0, 1), trial(0, 2, 10, 1, 3)]
    ended = list(tabular.evaluate(iter(trials)))
    np.testing.assert_allclose([each.seconds["train"] for each in ended], [0.8, 1.6, 5.6])
    assert list(tabular.evaluate(iter(trials[2:]))) == ended[2:]


def test_without_seconds_the_clock_counts_whole_trainings(tabular):
    clockless = dataclasses.replace(tabular, seconds=0.0, num_workers=2)
    ended = clockless.evaluate(iter([trial(0, 0, 10), trial(2, 1, 3), trial(0, 2, 3), trial(2, 3, 10)]))
    assert [each.id for each in ended] == [1, 2, 0, 3]


def test_a_pattern_without_columns_is_refused(tabular):
    with pytest.raises(UserError, match=r"evaluator.curve: .* has no column 'loss_\{\}' with a number above 0"):
        dataclasses.replace(tabular, curve="loss_{}")


def test_a_curve_of_one_budget_is_said_to_strategies_that_need_several(tmp_path):
    path = write_csv(tmp_path / "one.csv", ("name", "val_loss_0", "val_loss_40"), [("number 0", 2, 1)])
    tabular = Tabular(Numbers(), str(path), key="name", curve="val_loss_{}")
    with pytest.raises(
        ValueError,
        match=r"the curve 'val_loss_\{\}' of .*one.csv has one budget alone, that of the column "
        "'val_loss_40'; give the table a column for another budget",
    ):
        Asha(Numbers(), tabular.budgets)


def test_no_column_of_the_curve_is_a_gene_and_rates_are_ranks(tmp_path):
    path = str(write_curves(tmp_path))
    space = Categorical(path=path, curve="val_loss_{}", exclude="test_loss_{},seconds")
    assert space.gene_names == ("rate", "decay", "width")
    rates = [(rate, "ab"[place % 2], place) for place, rate in enumerate(np.geomspace(1e-4, 1, 30).tolist())]
    table = str(write_csv(tmp_path / "rates.csv", ("rate", "op", "loss_1"), rates))
    with pytest.raises(ValueError, match=r"'rate' of .* has another value in every row"):
        Categorical(path=table, curve="loss_{}")
    continuous = Categorical(path=table, curve="loss_{}", continuous=True)
    encoded = continuous.encode(list(continuous.genomes()))
    assert continuous.feature_genes == ("op", "op", "rate")
    assert encoded.shape == (30, 3)
    np.testing.assert_allclose(encoded[:, 2], np.arange(30) / 29, rtol=1e-6)


def test_metrics_beside_the_curve_are_known_at_every_budget(tmp_path):
    rows = [("number 0", 3.0, 2.0, 10), ("number 1", 4.0, 3.0, "")]
    path = write_csv(tmp_path / "sizes.csv", ("name", "loss_1", "loss_4", "params"), rows)
    sized = Tabular(Numbers(), str(path), key="name", curve="loss_{}", metrics="params")
    part, unknown = sized.evaluate(iter([trial(0, epochs=1), trial(1, 1, 1)]))
    assert part.metrics["params"] == 10
    assert part.metrics["loss"] == 3
    assert unknown.status == "failed"


def test_a_column_of_the_curve_at_no_whole_number_is_no_gene(tmp_path):
    header = ("op", "width", "loss_1", "loss_0.5", "loss_1_std")
    path = str(write_csv(tmp_path / "half.csv", header, [("a", 1, 2, 3, 1), ("b", 2, 2, 4, 1)]))
    with pytest.raises(ValueError, match=r"'loss_0.5' of .* has 0.5 in place of the \{\} of 'loss_\{\}'"):
        Categorical(path=path, curve="loss_{}")
    space = Categorical(path=path, curve="loss_{}", exclude="loss_0.5,loss_1_std")
    assert space.gene_names == ("op", "width")


@pytest.mark.parametrize(("curve", "metrics"), [("loss_{}", "curve"), ("", "curve"), ("curve_{}", "")])
def test_no_metric_takes_the_place_of_the_curves(tmp_path, curve, metrics):
    """A column may be called so, and its metric something else."""
    header, row = ("name", "loss_1", "loss_4", "curve", "curve_1", "curve_4"), ("number 0", 3.0, 2.0, 7, 0.1, 0.2)
    path = str(write_csv(tmp_path / "table.csv", header, [row]))
    field = "metrics" if metrics else "curve"
    with pytest.raises(
        ValueError, match=f"^{field}: 'curve' is where a trial has its learning curves; give the metric"
    ):
        Tabular(Numbers(), path, key="name", curve=curve, metrics=metrics)
    (ended,) = Tabular(Numbers(), path, {"bend": "curve"}, key="name", curve="loss_{}").evaluate(iter([trial(0)]))
    assert (ended.metrics["bend"], ended.metrics["curve"]) == (7.0, {"loss": [3.0, 2.0]})
