"""Fronts, ranks and hypervolumes against brute force."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_jax.constraints import Constraint
from nas_jax.front_files import hypervolumes, read_front, write_front, write_hypervolumes
from nas_jax.fronts import contributions, crowding, hypervolume, nondominated, ranks, spread
from nas_jax.growing_front import GrowingVolume
from nas_jax.objectives import Objective, Objectives
from nas_jax.trial import Budget, Trial

POINTS = st.integers(1, 3).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 5), min_size=k, max_size=k), min_size=1, max_size=9)
)


def beats(a, b):
    return bool(np.all(a >= b) and np.any(a > b))


def ranks_by_peeling(values):
    """One front after the other, by the definition."""
    found, left, rank = np.full(len(values), -1), set(range(len(values))), 0
    while left:
        front = {i for i in left if not any(beats(values[j], values[i]) for j in left)}
        found[list(front)], left, rank = rank, left - front, rank + 1
    return found


@settings(deadline=None)
@given(POINTS)
def test_ranks_are_those_of_peeling(points):
    values = np.array(points, float)
    np.testing.assert_array_equal(ranks(values), ranks_by_peeling(values))


@pytest.mark.parametrize("num_objectives", [2, 3])
def test_ranks_and_crowding_are_those_of_pymoo(num_objectives):
    sorting = pytest.importorskip("pymoo.util.nds.non_dominated_sorting")
    survival = pytest.importorskip("pymoo.operators.survival.rank_and_crowding.metrics")
    values = np.random.default_rng(num_objectives).normal(size=(200, num_objectives))
    expected = np.empty(200, int)
    for rank, front in enumerate(sorting.NonDominatedSorting().do(-values)):
        expected[front] = rank
    np.testing.assert_array_equal(ranks(values), expected)
    fronts = [values[expected == rank] for rank in range(expected.max() + 1)]
    for front in (front for front in fronts if len(front) > 2):  # of two, both are ends
        theirs = survival.calc_crowding_distance(-front, filter_out_duplicates=False)
        ours = crowding(front)
        np.testing.assert_array_equal(np.isinf(ours), np.isinf(theirs))
        inner = np.isfinite(ours)
        np.testing.assert_allclose(ours[inner] / num_objectives, theirs[inner], rtol=1e-12)  # it takes the mean


@settings(deadline=None)
@given(POINTS)
def test_the_front_has_what_nothing_beats_and_of_equals_the_first(points):
    values = np.array(points, float)
    expected = [
        not any(beats(other, value) for other in values) and not any((values[:i] == value).all(axis=1))
        for i, value in enumerate(values)
    ]
    assert nondominated(values).tolist() == expected


@settings(deadline=None)
@given(POINTS)
def test_the_hypervolume_is_the_number_of_unit_cells_that_are_dominated(points):
    values = np.array(points, float)
    corners = np.stack(np.meshgrid(*[np.arange(1, 6)] * values.shape[1], indexing="ij"), -1).reshape(
        -1, values.shape[1]
    )
    expected = sum((values >= corner).all(axis=1).any() for corner in corners)
    assert hypervolume(values, np.zeros(values.shape[1])) == pytest.approx(expected)


def test_infeasible_rows_rank_behind_all_feasible_ones_by_what_they_break():
    values = np.array([[0.0, 0.0], [9.0, 9.0], [5.0, 5.0], [1.0, -1.0]])
    violations = np.array([[-1.0, 0.0], [0.5, 0.6], [0.7, -9.0], [-1.0, -1.0]])
    np.testing.assert_array_equal(ranks(values, violations), [0, 2, 1, 0])


def test_where_nothing_is_feasible_the_least_violation_leads():
    assert ranks(np.ones((3, 2)), np.array([[3.0], [1.0], [2.0]])).tolist() == [2, 0, 1]


def test_crowding_is_infinite_at_the_ends_and_adds_up_the_gaps():
    values = np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]])
    np.testing.assert_allclose(crowding(values), [np.inf, 2.0, np.inf])


def test_equal_values_are_no_reason_to_fail():
    same = np.ones((4, 2))
    assert nondominated(same).tolist() == [True, False, False, False]
    assert ranks(same).tolist() == [0, 0, 0, 0]
    assert hypervolume(same, np.zeros(2)) == pytest.approx(1.0)
    assert not np.isnan(crowding(same)).any()


def test_nothing_has_no_front_and_no_volume():
    assert hypervolume(np.zeros((0, 2)), np.zeros(2)) == 0
    assert nondominated(np.zeros((0, 2))).tolist() == []


def test_contributions_are_differences_of_hypervolumes():
    values, reference = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [1.0, 1.0]]), np.zeros(2)
    expected = [hypervolume(values, reference) - hypervolume(np.delete(values, i, 0), reference) for i in range(4)]
    np.testing.assert_allclose(contributions(values, reference), expected)


def test_the_spread_begins_with_the_largest_volume_and_takes_no_dominated_row():
    values = np.array([[1.0, 10.0], [5.0, 5.0], [10.0, 1.0], [4.0, 4.0], [5.1, 4.9]])
    chosen = spread(values, np.zeros(2), 4)
    assert chosen[0] == 1
    assert set(chosen) == {0, 1, 2, 4}
    assert spread(values, np.full(2, 20.0), 3) == []


def measured(id, accuracy, latency, size=1.0):
    metrics = {"val_accuracy": accuracy, "latency_ms": latency, "num_params": size}
    return Trial(id, (id,), f"number {id}", "search", seed=id, status="finished", metrics=metrics)


AIMS = Objectives((Objective(), Objective("latency_ms", maximize=False)), (Constraint("num_params", at_most=2.0),))


def some_trials(num=30):
    rng = np.random.default_rng(1)
    trials = [measured(i, rng.uniform(0.2, 0.9), rng.uniform(1, 9), rng.uniform(0, 3)) for i in range(num)]
    trials[3] = Trial(3, (3,), "3", "search", seed=3, status="failed", error="no")
    return trials


def test_hypervolumes_are_those_of_the_fronts_so_far():
    trials = some_trials()
    reference = AIMS.reference(AIMS.history(trials))
    found = hypervolumes(AIMS, trials)
    assert [trial.id for trial, _ in found] == list(range(30))
    for num in (1, 4, 12, 30):
        fronts = np.array([AIMS.values(trial) for trial in AIMS.front(trials[:num])]).reshape(-1, 2)
        assert found[num - 1][1] == pytest.approx(hypervolume(fronts, reference))


def test_a_growing_volume_says_the_same_from_the_eighth_trial_on():
    trials = some_trials()
    growing = GrowingVolume(AIMS)
    said = [growing.add(trial) for trial in trials]
    assert said[:8] == [None] * 8  # one of them failed
    np.testing.assert_allclose(said[8:], [volume for _, volume in hypervolumes(AIMS, trials)][8:])


def test_a_growing_volume_begins_anew_with_a_larger_budget():
    trials = [replace(trial, budget=Budget(1 + (trial.id >= 15))) for trial in some_trials()]
    growing = GrowingVolume(AIMS)
    said = [growing.add(trial) for trial in trials]
    assert said[15] < said[14]
    np.testing.assert_allclose(said[15:], [volume for _, volume in hypervolumes(AIMS, trials)][15:])


def test_a_metric_that_is_named_like_a_column_of_the_front_is_a_column_beside_it(tmp_path):
    aims = Objectives((Objective("trial"), Objective("genome", maximize=False)))
    metrics = {"trial": 0.5, "genome": 2.0}
    write_front(tmp_path, aims, [Trial(7, (1, 2), "one", "search", 0, "finished", metrics)])
    about = {"trial": "7", "stage": "search", "description": "one", "genome": "[1, 2]"}
    assert read_front(tmp_path) == [{**about, "metric: trial": "0.5", "metric: genome": "2.0"}]


def test_files_of_a_front_are_read_back(tmp_path):
    trials = some_trials()
    write_front(tmp_path, AIMS, trials)
    write_hypervolumes(tmp_path, AIMS, trials)
    with (tmp_path / "front.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {int(row["trial"]) for row in rows} == {trial.id for trial in AIMS.front(trials)}
    assert all(json.loads(row["genome"]) == [int(row["trial"])] for row in rows)
    assert [float(row["val_accuracy"]) for row in rows] == sorted(float(row["val_accuracy"]) for row in rows)[::-1]
    assert all(float(row["num_params"]) <= 2 for row in rows)
    with (tmp_path / "hypervolume.csv").open(newline="") as file:
        volumes = [float(row["hypervolume"]) for row in csv.DictReader(file)]
    assert volumes == [volume for _, volume in hypervolumes(AIMS, trials)]
    reference = json.loads((tmp_path / "reference.json").read_text())["reference"]
    assert 1 < reference["latency_ms"] < 10
