"""What a strategy may see of the past."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_jax.constraints import Constraint
from nas_jax.errors import UserError
from nas_jax.metrics import digits, is_accuracy, is_fraction, title_of
from nas_jax.objectives import Objective, Objectives
from nas_jax.trial import Budget, Trial

ACCURACY = Objectives((Objective(),))
BOTH = Objectives((Objective(), Objective("num_params", maximize=False)))
BUDGETS = (Budget(1), Budget(3), None)


def trial(id, status="finished", **metrics):
    return Trial(id, (id,), str(id), "search", seed=id, status=status, metrics=metrics or None)


def test_history_sorts_trials_by_what_became_of_them():
    trials = [
        trial(3, "pending"),
        trial(1, "failed"),
        replace(trial(2, val_accuracy=0.7), budget=Budget(3)),
        trial(0, val_accuracy=0.5),
        trial(4, val_accuracy=float("nan")),
        trial(7, val_accuracy=0.6),
    ]
    history = ACCURACY.history(trials)
    assert history.genomes == ((0,), (2,), (7,))
    assert history.ids == (0, 2, 7)
    assert history.places == (0, 2, 5)
    assert history.budgets == (None, Budget(3), None)
    np.testing.assert_array_equal(history.values, [[0.5], [0.7], [0.6]])
    np.testing.assert_array_equal(history.scores, [0.5, 0.7, 0.6])
    assert history.failed == ((1,), (4,))
    assert history.pending == ((3,),)
    assert history.known == {(0,), (1,), (2,), (3,), (4,), (7,)}


@pytest.mark.parametrize(
    "curve",
    [
        [0.1, 0.3],
        "up",
        0.5,
        None,
        {},
        {"val_accuracy": [0.1], "val_loss": [0.1, 0.2]},
        {"val_accuracy": {"1": [0.1]}},
        {"val_accuracy": [[0.1, 0.2]]},
        {"val_accuracy": ["high"]},
        {"val_loss": [0.1, 0.2]},
    ],
)
def test_anything_else_than_curves_that_has_their_name_is_left_alone(curve):
    history = ACCURACY.history([trial(0, val_accuracy=0.5, curve=curve)])
    assert history.values.tolist() == [[0.5]]
    assert history.curves[0].shape == (0, 1)
    whole = ACCURACY.history([trial(0, val_accuracy=0.5, curve={"val_accuracy": [0.25, 0.5], "val_loss": [2, 1]})])
    assert whole.curves[0].tolist() == [[0.25], [0.5]]


@pytest.mark.parametrize("constraints", [(), (Constraint("val_loss", at_most=3, at_least=1),)])
def test_what_was_measured_is_no_trial_that_nobody_measured(constraints):
    """A metric of one's own may have the name by which those that were refused before a training are known."""
    objectives = replace(ACCURACY, constraints=constraints)
    told = trial(0, val_accuracy=0.5, val_loss=2.0, is_infeasible=True)
    history = objectives.history([told])
    assert history.values.tolist() == [[0.5]]
    assert history.violations.shape == (1, 2 * len(constraints))
    assert objectives.front([told]) == [told]


def test_of_several_objectives_each_has_a_column_and_a_missing_one_is_a_failure():
    history = BOTH.history([trial(0, val_accuracy=0.5, num_params=10), trial(1, val_accuracy=0.7, num_params=np.inf)])
    np.testing.assert_array_equal(history.values, [[0.5, -10.0]])
    assert history.failed == ((1,),)
    with pytest.raises(ValueError, match="2 objectives, and this strategy has room for one"):
        history.scores  # noqa: B018, the property raises


def test_a_smaller_loss_is_a_higher_value():
    objective = Objective("val_loss", maximize=False)
    assert objective.value({"val_loss": 0.1}) > objective.value({"val_loss": 0.2})


def test_test_metrics_are_out_of_reach():
    with pytest.raises(ValueError, match="no search may see"):
        Objective("test_accuracy")
    seen = trial(0, val_accuracy=0.5, test_accuracy=0.9)
    without = replace(seen, metrics={"val_accuracy": 0.5})
    for one, other in zip(ACCURACY.history([seen]), ACCURACY.history([without]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": 5}, "metric: must be text, but is 5"),
        ({"metric": None}, "metric: must be text, but is None"),
        ({"metric": "curve"}, "metric: 'curve' is where a trial has its learning curves; give the metric another name"),
        ({"maximize": "False"}, "maximize: must be true or false, but is 'False'"),
        ({"maximize": 1}, "maximize: must be true or false, but is 1"),
        ({"maximize": None}, "maximize: must be true or false, but is None"),
        ({"reference": "0.5"}, "reference: must be a number, but is '0.5'"),
        ({"reference": True}, "reference: must be a number, but is True"),
        ({"reference": 10**400}, "reference: must be a number, but is 1000"),
        ({"reference": float("nan")}, "reference: must be a finite number, but is nan"),
        ({"reference": float("inf")}, "reference: must be a finite number, but is inf"),
        ({"reference": np.float32("-inf")}, "reference: must be a finite number, but is -inf"),
    ],
)
def test_arguments_of_another_kind_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}") as error:
        Objective(**arguments)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("reference", [np.float32(0.5), np.float64(0.5), np.float16(0.5), np.longdouble(0.5)])
def test_what_numpy_has_becomes_pythons_own(reference):
    objective = Objective(np.str_("loss"), maximize=np.bool_(False), reference=reference)
    assert json.loads(json.dumps(asdict(objective))) == {"metric": "loss", "maximize": False, "reference": 0.5}
    assert type(Objective(reference=np.int64(3)).reference) is int


def test_an_unknown_metric_lists_those_that_exist():
    with pytest.raises(UserError, match="no metric 'val_acc'; there are val_accuracy, val_loss"):
        Objective("val_acc").value({"val_loss": 1.0, "val_accuracy": 0.5})


def test_a_metric_that_is_no_number_is_refused_in_one_line():
    with pytest.raises(UserError, match="'val_accuracy' is no number but 'high'"):
        Objective().value({"val_accuracy": "high"})


@pytest.mark.parametrize("each", [(), (Objective(), Objective(maximize=False))])
def test_objectives_are_at_least_one_and_of_different_metrics(each):
    with pytest.raises(ValueError, match="at least one metric is needed, and none twice"):
        Objectives(each)


def test_the_front_of_one_objective_is_its_best_the_earliest_of_equals():
    trials = [trial(0, "failed"), trial(1, val_accuracy=0.5), trial(2, val_accuracy=0.7), trial(3, val_accuracy=0.7)]
    assert [each.id for each in ACCURACY.front(trials)] == [2]
    assert ACCURACY.front(trials[:1]) == []


def test_values_after_different_budgets_are_not_compared():
    short, long, full = (replace(trial(id, val_accuracy=1 - id / 10), budget=b) for id, b in enumerate(BUDGETS))
    assert ACCURACY.front([short, long]) == [long]
    assert ACCURACY.front([full, short, long]) == [full]
    failed = replace(trial(3, "failed"), budget=None)
    assert ACCURACY.front([short, long, failed]) == [long]


def test_curves_have_the_sign_of_values_and_what_is_pending_its_budget():
    curve = {"val_accuracy": [0.1, 0.5], "num_params": [10, 10]}
    trials = [
        trial(0, val_accuracy=0.5, num_params=10.0, curve=curve),
        trial(1, val_accuracy=0.5, num_params=10.0, curve={"val_accuracy": [0.5]}),
        replace(trial(2, "pending"), budget=Budget(3)),
    ]
    history = BOTH.history(trials)
    np.testing.assert_array_equal(history.curves[0], [[0.1, -10], [0.5, -10]])
    assert history.curves[1].shape == (0, 2)
    assert history.pending_budgets == (Budget(3),)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_a_front_is_what_no_other_dominates(pairs):
    """By brute force, for points on a grid, where many are equal in one objective or in both."""
    trials = [trial(id, val_accuracy=float(a), num_params=float(b)) for id, (a, b) in enumerate(pairs)]
    points = [(a, -b) for a, b in pairs]
    expected = [
        id
        for id, (a, b) in enumerate(points)
        if points.index((a, b)) == id and not any(c >= a and d >= b and (c, d) != (a, b) for c, d in points)
    ]
    assert [each.id for each in BOTH.front(trials)] == expected


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        ("val_accuracy", "validation accuracy"),
        ("test_mean_iou", "test mean IoU"),
        ("val_map_50", "validation mAP at .5"),
        ("val_macro_f1", "validation macro F1"),
        ("num_params", "num params"),
        ("val", "val"),
    ],
)
def test_titles_are_words(metric, title):
    assert title_of(metric) == title


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (0.698, "accuracy", "0.6980"),
        (0.69804321, "val_accuracy", "0.6980"),
        (0.69804321, "loss", "0.698043"),
        (3.02e-06, "mse", "3.02e-06"),
        (3.0201e-06, "mse", "3.0201e-06"),
        (-3.02e-06, "score", "-3.02e-06"),
        (0, "mse", "0.0000"),
        (10, "num_params", "10.0000"),
        (1e9 + 17, "flops", "1000000017.0000"),
        (123456.75, "latency", "123456.7500"),
        (-1e299, "val_loss", "-1e+299"),
    ],
)
def test_digits_tell_trials_apart(value, metric, text):
    assert digits(value, metric) == text


def test_overlaps_are_fractions_and_no_accuracies():
    assert is_fraction("val_mean_iou")
    assert is_fraction("test_map_50")
    assert is_fraction("val_macro_f1")
    assert not is_fraction("val_loss")
    assert not is_fraction("mean_iou")
    assert is_accuracy("val_accuracy")
    assert not is_accuracy("val_mean_iou")
    assert not is_accuracy("val_pixel_accuracy")
    assert not is_accuracy("val_token_accuracy")


def test_what_failed_with_a_larger_budget_is_not_compared_and_the_next_one_is():
    first, second, shorter = (replace(trial(id, val_accuracy=1 - id / 10), budget=Budget(3)) for id in range(3))
    shorter = replace(shorter, budget=Budget(1))
    diverged = replace(trial(7, "failed"), genome=first.genome)
    trials = [first, second, shorter, diverged]
    assert ACCURACY.front(trials) == [second]
    assert ACCURACY.front([first, shorter, diverged]) == [shorter]
    assert ACCURACY.front([first, diverged]) == []
    assert ACCURACY.front([first, replace(diverged, budget=Budget(3))]) == [first]
    assert "all of the 1 trials that have a score failed with a larger budget" in ACCURACY.why_no_front(
        [first, diverged]
    )


def test_the_budget_that_is_compared_is_one_with_enough_genomes():
    trials = [replace(trial(id, val_accuracy=id / 10), budget=Budget(1)) for id in range(4)]
    trials += [replace(trial(4 + id, val_accuracy=0.9), genome=(id,), budget=Budget(3)) for id in range(2)]
    again = replace(trial(6, val_accuracy=0.9), genome=(1,), budget=Budget(3))  # counts once
    for fewest, ids in ((1, [4, 5, 6]), (2, [4, 5, 6]), (3, [0, 1, 2, 3]), (5, [])):
        assert [each.id for each, _ in ACCURACY.comparable([*trials, again], fewest)] == ids
