"""The command that takes another point of a front: what its flags may be called, and runs without points."""

import pytest
from run_files import CONFIG, finished, write

from nas_jax import pick
from nas_jax.errors import UserError
from nas_jax.objectives import Objective, Objectives
from nas_jax.record import Record
from nas_jax.trial import Trial


def test_a_limit_may_be_of_a_metric_of_any_name():
    assert pick.take_limits(["--val-acc=0.3", "--top 5=2", "--latency_ms", "4"]) == []
    assert pick._LIMITS == {"val-acc": 0.3, "top 5": 2.0, "latency_ms": 4.0}
    with pytest.raises(UserError, match="--val-acc: a number is wanted"):
        pick.take_limits(["--val-acc=high"])
    pick.take_limits([])


def test_a_limit_of_what_is_no_objective_goes_by_its_name():
    objectives = Objectives((Objective("val_mean_iou"), Objective("num_params", maximize=False)))
    metrics = [{"val_accuracy": a, "loss": 1 - a, "gain": a, "val_mean_iou": a, "num_params": a} for a in (0.9, 0.6)]
    front = [Trial(id, (id,), "", "final", 0, "finished", each) for id, each in enumerate(metrics)]
    for metric, limit in {"val_accuracy": 0.8, "loss": 0.2, "val_mean_iou": 0.8}.items():
        assert [trial.id for trial in pick._within(objectives, front, metric, limit)] == [0]
    assert [trial.id for trial in pick._within(objectives, front, "num_params", 0.7)] == [1]
    with pytest.raises(UserError, match=r"say --rule='at gain <= 0\.8', or >="):
        pick._within(objectives, front, "gain", 0.8)


def test_a_run_whose_front_has_no_point_is_refused_in_one_line(tmp_path):
    write(tmp_path, [finished(0, [1, 1, 1, 1], 0.5, "final")], CONFIG)
    (tmp_path / "front").mkdir()
    with pytest.raises(UserError, match="has no point in front/"):
        pick.pick(tmp_path, {})


def test_what_a_longer_search_has_beaten_is_no_point_any_more(tmp_path):
    """The folders in `front/` stay where they are."""
    objectives = [{"metric": "gain", "maximize": True}, {"metric": "cost", "maximize": False}]
    measured = [{"gain": 1.0, "cost": 1.0}, {"gain": 2.0, "cost": 2.0}, {"gain": 1.5, "cost": 0.5}]
    trials = [Trial(id, (id,), "", "final", 0, "finished", metrics) for id, metrics in enumerate(measured)]
    for id in (0, 1, 2):
        (tmp_path / "front" / str(id)).mkdir(parents=True)
        (tmp_path / "front" / str(id) / "genome.json").write_text("{}")
    record = Record(tmp_path, {"objectives": objectives}, {}, trials, {})
    assert {trial.id for trial in pick.points_of(record)} == {1, 2}
    assert {trial.id for trial in pick.points_of(record._replace(trials=trials[:2]))} == {0, 1}
