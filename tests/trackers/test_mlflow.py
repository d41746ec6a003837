"""MLflow's runs, asked for by its own client from a database in a file."""

import pytest
from tracked_runs import (
    ACCURACIES,
    CLASHING,
    best_until_each,
    clashing_trials,
    later_trials,
    track,
    trials,
    trials_by_budgets,
    write_front_of,
)

from nas_jax.trackers.mlflow import MLflow

mlflow = pytest.importorskip("mlflow")
pytest.importorskip("sqlalchemy")

TRIALS = list(trials())


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """A database with its tables made, which takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def uri(tmp_path, empty_database):
    (tmp_path / "mlflow.db").write_bytes(empty_database.read_bytes())
    return f"sqlite:///{tmp_path}/mlflow.db"


def read(uri):
    """The run of the search and those of its trials, by the id of the trial."""
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("nas_jax").experiment_id
    runs = client.search_runs([experiment])
    (parent,) = [run for run in runs if "nas_jax.run" in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) + 1 == len(runs)
    by_id = {int(run.data.tags["nas_jax.trial"]): run for run in children}
    assert len(by_id) == len(children)

    def history(run, metric):
        return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric)]

    return parent, by_id, history


def test_the_search_and_its_trials(tmp_path, uri):
    track({"mlflow": MLflow(uri)}, tmp_path, told=TRIALS, is_complete=True)
    parent, children, history = read(uri)
    assert parent.info.status == "FINISHED"
    assert parent.data.params["search.num_trials"] == "6"
    assert history(parent, "search/best_val_accuracy") == list(enumerate(best_until_each(), start=1))
    assert history(parent, "surrogate/val_accuracy/tau") == [(step, 0.5) for step in (1, 2, 3, 4, 5)]
    assert parent.data.metrics["winner/test_accuracy"] == 0.5
    statuses = ["FINISHED" if accuracy else "FAILED" for accuracy in ACCURACIES]
    assert [children[id].info.status for id in range(6)] == statuses
    assert children[2].data.tags["error"] == "no <b>luck</b>"
    assert children[1].data.params == {"width": "16", "operation": "pool"}
    assert children[1].data.metrics["val_accuracy"] == 0.75
    assert history(children[1], "curve/val_accuracy") == [(1, 0.375), (2, 0.75)]
    assert children[6].data.tags["stage"] == "final"


def test_a_budget_and_what_goes_on_are_tags(tmp_path, uri):
    track({"mlflow": MLflow(uri)}, tmp_path, told=list(trials_by_budgets()))
    _, children, _ = read(uri)
    told = [tuple(children[id].data.tags.get(name) for name in ("budget", "continues")) for id in range(3)]
    assert told == [("1", None), ("1", None), ("2", "0")]


def test_what_is_on_the_front_has_a_tag(tmp_path, uri):
    write_front_of(tmp_path, 1, 4)
    track({"mlflow": MLflow(uri)}, tmp_path, told=TRIALS, is_complete=True)
    _, children, _ = read(uri)
    assert [id for id, child in sorted(children.items()) if child.data.tags.get("nas_jax.front") == "true"] == [1, 4]


def test_a_killed_run_that_goes_on_has_every_trial_once(tmp_path, uri):
    """Killed between a trial's point in the curves of the search and the end of its own run."""
    track({"mlflow": MLflow(uri)}, tmp_path, told=TRIALS[:3])
    parent, children, _ = read(uri)
    assert parent.info.status == "KILLED"
    mlflow.MlflowClient(uri).update_run(children[2].info.run_id, status="RUNNING")
    track({"mlflow": MLflow(uri)}, tmp_path, told=TRIALS[3:], is_complete=True)
    parent, children, history = read(uri)
    assert sorted(children) == list(range(7))
    assert children[2].info.status == "FAILED"
    assert history(parent, "search/trial") == [(step, step - 1) for step in range(1, 7)]
    assert history(parent, "surrogate/val_accuracy/tau") == [(step, 0.5) for step in (1, 2, 3, 4, 5)]
    before = read(uri)[:2]
    track({"mlflow": MLflow(uri)}, tmp_path, is_complete=True)
    again = read(uri)[:2]
    assert [run.to_dictionary() for run in again[1].values()] == [run.to_dictionary() for run in before[1].values()]
    assert again[0].to_dictionary() == before[0].to_dictionary()


def test_a_search_that_goes_on_after_its_end_is_the_same_run(tmp_path, uri):
    write_front_of(tmp_path, 1, 4)
    track({"mlflow": MLflow(uri)}, tmp_path, told=TRIALS, is_complete=True)
    write_front_of(tmp_path, 0, 4)
    first, second = later_trials()
    track({"mlflow": MLflow(uri)}, tmp_path, told=[first])
    assert read(uri)[0].info.status == "KILLED"
    track({"mlflow": MLflow(uri)}, tmp_path, told=[second], is_complete=True)
    parent, children, history = read(uri)
    assert parent.info.status == "FINISHED"
    assert sorted(children) == list(range(9))
    assert [id for id, child in sorted(children.items()) if "nas_jax.front" in child.data.tags] == [0, 4]
    assert history(parent, "search/trial")[-1] == (7, 7)


def test_two_runs_are_two(tmp_path, uri):
    for name in "ab":
        (tmp_path / name).mkdir()
        track({"mlflow": MLflow(uri)}, tmp_path / name, told=TRIALS[:1])
    client = mlflow.MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("nas_jax").experiment_id])
    assert sorted(run.info.run_name.rpartition("/")[2] for run in runs) == ["a", "b", "search 0", "search 0"]


def test_a_server_that_does_not_answer_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    notes = []
    track({"mlflow": MLflow("http://127.0.0.1:9")}, tmp_path, told=TRIALS, is_complete=True, notes=notes)
    (note,) = notes
    assert note.startswith("the tracker mlflow is off from here: ")
    assert "127.0.0.1" in note


def test_a_metric_that_is_called_like_another_series_has_one_of_its_own(tmp_path, uri):
    track({"mlflow": MLflow(uri)}, tmp_path, told=list(clashing_trials()), objectives=CLASHING)
    parent, _, history = read(uri)
    assert history(parent, "search/best_score") == [(2, 0.5), (3, 0.5)]
    assert history(parent, "search/metric_ best_score") == [(2, 7.0), (3, 9.0)]
