"""Constraints, and objectives of a config: what they say of a trial, and what is refused."""

import numpy as np
import pytest
from fakes import Numbers

from nas_jax.constraints import Constraint
from nas_jax.errors import UserError
from nas_jax.fronts import hypervolume
from nas_jax.objectives import Objective, Objectives
from nas_jax.spaces import allowed
from nas_jax.stated import objectives_of, with_columns
from nas_jax.trial import Trial

SMALL = Constraint("num_params", at_most=200)
GOOD = Constraint("val_accuracy", at_least=0.6)


def trial(id, **metrics):
    return Trial(id, (id,), str(id), "search", seed=id, status="finished", metrics=metrics)


def test_a_violation_is_a_share_of_the_limit_and_not_positive_within_it():
    assert SMALL.violations({"num_params": 300}) == [0.5]
    assert SMALL.violations({"num_params": 200}) == [0.0]
    assert GOOD.violations({"val_accuracy": 0.3}) == pytest.approx([0.5])
    assert Constraint("x", at_most=0.0).violations({"x": 2.0}) == [2.0]
    assert Constraint("x", at_least=1, at_most=2).violations({"x": 4.0}) == [1.0, -3.0]


@pytest.mark.parametrize("limits", [{}, {"at_most": float("nan")}, {"at_most": 1, "at_least": 2}])
def test_limits_that_limit_nothing_or_everything_are_refused(limits):
    with pytest.raises(ValueError, match="x"):
        Constraint("x", **limits)


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": 5, "at_most": 1}, "metric: must be text, but is 5"),
        ({"metric": "curve", "at_most": 1}, "metric: 'curve' is where a trial has its learning curves"),
        ({"metric": "x", "at_most": "3"}, "x: at_most: must be a number, but is '3'"),
        ({"metric": "x", "at_least": True}, "x: at_least: must be a number, but is True"),
        ({"metric": "x", "at_least": 10**400}, "x: at_least: must be a number, but is 1000"),
        ({"metric": "x", "at_most": float("inf")}, "x: at_most: must be a finite number, but is inf"),
    ],
)
def test_arguments_of_another_kind_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Constraint(**arguments)


@pytest.mark.usefixtures("as_users_call")
def test_limits_of_numpy_become_pythons_own():
    constraint = Constraint("x", at_most=np.float32(0.5), at_least=np.int64(-1))
    assert (type(constraint.at_most), type(constraint.at_least)) == (float, int)
    assert constraint == Constraint("x", at_most=0.5, at_least=-1)


def test_limits_are_said_with_all_their_digits():
    assert str(Constraint("flops", at_most=40e6)) == "flops <= 40,000,000"
    assert str(Constraint("num_params", at_most=1_234_567, at_least=10)) == "10 <= num_params <= 1,234,567"
    assert str(Constraint("latency_ms", at_most=0.1234567)) == "latency_ms <= 0.1234567"


def test_infeasible_trials_never_win_although_they_are_better():
    objectives = Objectives((Objective(),), (SMALL,))
    trials = [trial(0, val_accuracy=0.9, num_params=300), trial(1, val_accuracy=0.5, num_params=100)]
    assert [each.id for each in objectives.front(trials)] == [1]
    assert objectives.front(trials[:1]) == []
    np.testing.assert_array_equal(objectives.history(trials).violations, [[0.5], [-0.5]])


def test_a_metric_may_be_an_objective_and_a_constraint_at_once():
    objectives = Objectives((Objective(), Objective("num_params", maximize=False)), (GOOD,))
    trials = [trial(0, val_accuracy=0.5, num_params=1), trial(1, val_accuracy=0.7, num_params=9)]
    assert [each.id for each in objectives.front(trials)] == [1]
    assert objectives.needed == ("val_accuracy", "num_params")


def test_what_has_no_finite_constraint_has_failed():
    objectives = Objectives((Objective(),), (SMALL,))
    history = objectives.history([trial(0, val_accuracy=0.9, num_params=float("inf"))])
    assert history.failed == ((0,),)
    assert history.violations.shape == (0, 1)


def test_what_broke_a_limit_before_its_training_has_failed_whatever_else_is_wanted():
    """Its objective may be known before any training, and of its other limits nothing is."""
    limits = (Constraint("size_bytes", at_most=1000), Constraint("val_accuracy", at_least=0.9))
    objectives = Objectives((Objective("num_params", maximize=False),), limits)
    known = {"num_params": 9000, "size_bytes": 36_000}
    trials = [
        Trial(0, (0,), "", "search", 0, "finished", {**known, "is_infeasible": True}),
        Trial(1, (1,), "", "search", 0, "finished", {**known, "size_bytes": 900, "val_accuracy": 0.8}),
    ]
    history = objectives.history(trials)
    assert (history.genomes, history.failed) == (((1,),), ((0,),))
    np.testing.assert_allclose(history.violations, [[-0.1, 0.1 / 0.9]])
    assert objectives.front(trials) == []


def test_constraints_join_those_of_objectives():
    small, large = Constraint("num_params", at_most=10), Constraint("val_accuracy", at_least=0.5)
    assert Objectives.of(Objectives((Objective(),), (small,)), [large]).constraints == (small, large)


def test_a_metric_that_is_made_large_though_less_of_it_is_better_is_noted():
    each = tuple(map(Objective, ("val_loss", "latency_ms", "throughput", "val_accuracy", "gain")))
    noted = Objectives(each).notes
    assert [note.split("; ")[0] for note in noted] == [
        f"the search looks for the largest {metric}" for metric in ("val_loss", "latency_ms")
    ]
    assert "--config.objective.maximize=False" in noted[0]
    (small,) = Objectives((Objective("val_accuracy", maximize=False), Objective("val_loss", maximize=False))).notes
    assert small.startswith("the search looks for the smallest val_accuracy")


def test_a_minimised_objective_does_not_turn_the_hypervolume_to_zero():
    objectives = Objectives((Objective(), Objective("latency_ms", maximize=False)))
    rng = np.random.default_rng(0)
    trials = [trial(i, val_accuracy=rng.uniform(0.5, 0.9), latency_ms=rng.uniform(1, 9)) for i in range(30)]
    history = objectives.history(trials)
    reference = objectives.reference(history)
    assert hypervolume(history.values, reference) > 0
    assert -9.5 < reference[1] < -1
    np.testing.assert_array_equal(reference, objectives.reference(objectives.history(trials[:8])))


def test_a_given_reference_is_in_units_of_the_metric():
    objectives = Objectives((Objective(reference=0.4), Objective("latency_ms", maximize=False, reference=20.0)))
    history = objectives.history([trial(0, val_accuracy=0.5, latency_ms=10.0)])
    np.testing.assert_array_equal(objectives.reference(history), [0.4, -20.0])
    assert hypervolume(history.values, objectives.reference(history)) == pytest.approx(1.0)


@pytest.mark.parametrize("num", [1, 5])
def test_of_identical_values_the_reference_is_below_them(num):
    objectives = Objectives((Objective(), Objective("flops", maximize=False)))
    history = objectives.history([trial(i, val_accuracy=0.5, flops=7) for i in range(num)])
    assert (objectives.reference(history) < history.values[0]).all()


@pytest.mark.parametrize(
    "given",
    [
        [{"metric": "val_accuracy"}, {"metric": "flops", "maximize": False}],
        '[{"metric": "val_accuracy"}, {"metric": "flops", "maximize": false}]',
        ("val_accuracy", {"metric": "flops", "maximize": False}),
    ],
)
def test_objectives_are_read_from_sections_and_from_json(given):
    found = objectives_of({"objectives": given, "objective": {"metric": "val_loss"}})
    assert found.each == (Objective(), Objective("flops", maximize=False))


def test_without_objectives_there_is_the_one():
    found = objectives_of({"objective": {"metric": "val_loss", "maximize": False}, "constraints": ()})
    assert found == Objectives((Objective("val_loss", maximize=False),))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"objectives": [{"maximize": True}]}, "names no metric"),
        ({"objectives": "[{"}, "is no list"),
        ({"objectives": [{"metric": "a"}, {"metric": "a"}]}, "none twice"),
        ({"objectives": [{"metric": "test_accuracy"}]}, "test split"),
        ({"objectives": [3]}, "a section with a metric"),
        ({"objectives": ["curve"]}, "'curve' is where a trial has its learning curves"),
        (
            {"objectives": '[{"metric": "a", "reference": -Infinity}]'},
            "reference: must be a finite number, but is -inf",
        ),
        ({"objectives": '[{"metric": "a", "reference": 1e999}]'}, "reference: must be a finite number, but is inf"),
        ({"objectives": '[{"metric": "a", "reference": NaN}]'}, "reference: must be a number, but is nan"),
        ({"constraints": [{"metric": "curve", "at_most": 1}]}, "'curve' is where a trial has its learning curves"),
        ({"constraints": [{"metric": "a"}]}, "at_most or at_least"),
        ({"constraints": [{"metric": "a", "below": 3}]}, "no field 'below'"),
        ({"constraints": [{"metric": "test_accuracy", "at_most": 1}]}, "test split"),
        ({"constraints": 3}, "a list of sections"),
    ],
)
def test_what_says_nothing_is_refused_in_one_line(config, message):
    with pytest.raises(UserError, match=message) as error:
        objectives_of(config)
    assert "\n" not in str(error.value)


def test_a_single_section_needs_no_list():
    found = objectives_of({"objectives": {"metric": "a"}, "constraints": {"metric": "b", "at_most": 2}})
    assert found == Objectives((Objective("a"),), (Constraint("b", at_most=2),))


@pytest.mark.parametrize("metrics", ["params", ("params",), "", ()])
def test_of_a_table_with_a_curve_all_but_the_curve_that_is_needed_is_a_metric(metrics):
    objectives = Objectives((Objective("val_loss", maximize=False),), (Constraint("params", at_most=5),))
    config = {
        "evaluator": {"name": "tabular", "curve": "val_loss_{}", "metrics": metrics},
        "space": {"name": "categorical", "path": "t.csv", "curve": "val_loss_{}", "exclude": ("seconds",)},
    }
    found = with_columns(config, objectives)
    assert found["evaluator"]["metrics"] == ("params",)
    assert found["space"]["exclude"] == ("seconds", "params")


def test_a_large_space_whose_allowed_genomes_are_all_known_has_no_more_and_is_not_called_empty(monkeypatch):
    monkeypatch.setattr(allowed, "_MAX_ENUMERATED", 10)
    monkeypatch.setattr(allowed, "_MAX_DRAWS", 500)
    few, none = (allowed.Allowed(Numbers(1000), (Constraint("num_params", at_most=most),)) for most in (2, -1))
    assert few.sample(np.random.default_rng(0), 5, exclude=[(0,), (1,), (2,)]) == []
    with pytest.raises(UserError, match="the space has no genome with num_params <= -1, or hardly any"):
        none.sample(np.random.default_rng(0), 5, exclude=[(0,), (1,), (2,)])
