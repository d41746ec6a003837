"""Working directories as they are read, and as earlier versions left them."""

import json

import pytest
from run_files import FORMAT, finished, search_records, write

from nas_jax import record
from nas_jax.errors import UserError
from nas_jax.objectives import Objective, Objectives
from nas_jax.record import find_best, find_winner, metrics_of_split, on_test_split, read_record

# As nas_jax 0.1.0 wrote them, shortened.
CONFIG_OF_0_1 = """{"seed": 0, "trackers": [], "data": {"name": "digits", "seed": 0, "pad": 1},
"space": {"name": "chain"}, "objective": {"metric": "val_accuracy", "maximize": true},
"strategy": {"name": "random_search"}, "search": {"num_trials": 24, "max_failures": 10},
"evaluator": {"name": "training", "num_seeds": 1}}"""
ENVIRONMENT_OF_0_1 = """{"command": "python -m nas_jax.main --config=configs/quickstart.py", "python": "3.11.7",
"platform": "Linux", "num_cpus": 2, "devices": ["cpu: cpu"], "versions": {"jax": "0.10.2", "numpy": "2.4.1"},
"git_revision": "f645529c0b6f4b5d0b8d4d1c2f1a9f4e6d7c8b9a"}"""
TRIAL_OF_0_1 = """{"id": 0, "genome": ["conv3x3-32", "fc-128"], "description": "conv3x3-32, fc-128", "stage": "search",
"seed": 7, "status": "finished", "metrics": {"val_accuracy": 0.98}, "seconds": {"compile": 1.0, "train": 2.0},
"prediction": {"mean": 0.97, "std": 0.01}, "error": null, "failure": null, "num_attempts": 1, "time": 1.7e9}"""


@pytest.fixture
def of_0_1(tmp_path):
    (tmp_path / "config.json").write_text(CONFIG_OF_0_1)
    (tmp_path / "environment.json").write_text(ENVIRONMENT_OF_0_1)
    (tmp_path / "trials.jsonl").write_text(TRIAL_OF_0_1.replace("\n", " ") + "\n")
    return tmp_path


def test_a_run_of_an_earlier_version_is_refused_in_one_line_that_names_it(of_0_1):
    with pytest.raises(UserError) as refused:
        read_record(of_0_1)
    assert str(refused.value) == (
        f"workdir: {str(of_0_1)!r} was written by another version of nas_jax (revision "
        "f645529c0b6f4b5d0b8d4d1c2f1a9f4e6d7c8b9a), whose logs this version does not read; check out that revision, or "
        "run again in another --workdir"
    )


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"format": 3, "nas_jax": "0.4.0", "git_revision": "abc"}, r"by nas_jax 0\.4\.0 \(revision abc\)"),
        ({"versions": {"nas_jax": "0.1.0"}}, r"by nas_jax 0\.1\.0 \(revision unknown\)"),
        ({}, r"by another version of nas_jax \(revision unknown\)"),
    ],
)
def test_the_version_is_named_as_far_as_it_is_known(of_0_1, environment, named):
    (of_0_1 / "environment.json").write_text(json.dumps(environment))
    with pytest.raises(UserError, match=named):
        read_record(of_0_1)


@pytest.mark.parametrize("name", ["config.json", "environment.json"])
def test_a_folder_without_a_run_is_refused(tmp_path, name):
    workdir = write(tmp_path / "run", [])
    (workdir / name).unlink()
    with pytest.raises(UserError, match=rf"has no {name}"):
        read_record(workdir)


def test_a_run_of_this_version_is_read(tmp_path):
    assert FORMAT == record.FORMAT
    found = read_record(write(tmp_path, search_records(3), best={"trial": 1, "val_accuracy": 0.5, "num_test": 7}))
    assert [trial.id for trial in found.of("search")] == [0, 1, 2]
    assert found.objectives == Objectives((Objective(),))
    assert (found.num_examples("val"), found.num_examples("test")) == (5000, 7)
    assert find_winner(found, found.objectives).id == 1


def test_a_run_was_made_by_all_of_its_commands(tmp_path):
    later = [{"command": "b"}, {"command": "a", "devices": ["gpu"]}, {"devices": []}, {"command": "c"}]
    workdir = write(tmp_path / "run", search_records(2), environment={"command": "a", "later": later})
    assert read_record(workdir).commands == ("a", "b", "c")
    assert read_record(write(tmp_path / "other", search_records(2))).commands == ()


def test_of_several_objectives_the_first_trial_of_the_front_is_the_best(tmp_path):
    records = [finished(0, [9, 9, 9, 9], 0.5), finished(1, [1, 1, 1, 1], 0.6), finished(2, [2, 2, 2, 2], 0.7)]
    found = read_record(write(tmp_path, records))
    both = Objectives((Objective(), Objective("num_params", maximize=False)))
    assert find_best(found.trials, found.objectives).id == 2
    assert find_best(found.trials, both).id == 1
    assert find_best([], both) is None


def test_metrics_are_told_apart_by_their_splits():
    metrics = {
        "trial": 3,
        "val_rmse": 1.0,
        "val_rmse_std_error": 0.1,
        "val_rmse_per_seed": [1.0],
        "test_rmse": 1,
        "x": 2,
    }
    assert metrics_of_split(metrics, "val") == ["val_rmse"]
    assert metrics_of_split(metrics, "test") == ["test_rmse"]
    assert on_test_split("val_rmse", metrics) == "test_rmse"
    assert on_test_split("rmse", metrics) == "test_rmse"  # as tables name it
    assert on_test_split("val_loss", metrics) is None
