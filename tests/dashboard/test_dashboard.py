"""A run as Optuna studies, asked for by Optuna's public functions and the dashboard's own server."""

import io
import json
import threading
from dataclasses import replace
from wsgiref.util import setup_testing_defaults

import pytest
from ml_collections import ConfigDict
from run_files import write
from tracked_runs import ACCURACIES, GENOMES, SPACE, trial, trials, trials_by_budgets

from nas_jax.budgets import Budgets
from nas_jax.config import complete
from nas_jax.dashboard import __main__ as dashboard
from nas_jax.dashboard.follow import follow
from nas_jax.errors import UserError
from nas_jax.objectives import Objective, Objectives
from nas_jax.store import TrialStore
from nas_jax.trial import Prediction

optuna = pytest.importorskip("optuna")

TRIALS = list(trials())
SECTIONS = {
    "space": {"name": "categorical", "genes": [["width", [16, 32, 64]], ["operation", ["conv", "pool"]]]},
    "objective": {"metric": "val_accuracy", "maximize": True},
}


@pytest.fixture
def workdir(tmp_path):
    """A run of which the config is there, and no trial yet."""
    table = "width,operation,val_accuracy\n" + "".join(f"{w},{o},0.5\n" for w, o in GENOMES)
    (tmp_path / "table.csv").write_text(table)
    config = {
        "seed": 0,
        **SECTIONS,
        "strategy": {"name": "random_search"},
        "search": {"num_trials": 6},
        "evaluator": {"name": "tabular", "path": str(tmp_path / "table.csv"), "metrics": "val_accuracy"},
        "surrogate": {"name": "gaussian_process"},
        "finalists": {"num_candidates": 0, "num_finalists": 1},
    }
    return write(tmp_path / "run", [], complete(ConfigDict(config)).to_dict())


def study(storage, workdir, suffix=""):
    return optuna.load_study(study_name=f"{workdir}{suffix}", storage=storage)


def test_a_study_follows_the_log(workdir):
    storage = optuna.storages.InMemoryStorage()
    (follower,) = follow([workdir], storage)
    assert optuna.get_all_study_names(storage) == []
    pending = [trial(each.id, each.genome, each.stage) for each in TRIALS]
    with TrialStore(workdir / "trials.jsonl") as store:
        store.put(*pending[:2])
        follower.update()
        assert [each.state.name for each in study(storage, workdir).trials] == ["RUNNING", "RUNNING"]
        store.put(TRIALS[1], pending[2])
        follower.update()
        assert [each.state.name for each in study(storage, workdir).trials] == ["RUNNING", "COMPLETE", "RUNNING"]
        store.put(TRIALS[0], *TRIALS[2:6], pending[6])
        follower.update()
        store.put(TRIALS[6])
        follower.update()
        follower.update()
    followed = study(storage, workdir)
    states = ["FAIL" if accuracy is None else "COMPLETE" for accuracy in ACCURACIES]
    assert [each.state.name for each in followed.trials] == states
    assert [each.value for each in followed.trials] == list(ACCURACIES)
    assert [tuple(each.params.values()) for each in followed.trials] == list(GENOMES)
    assert followed.trials[1].intermediate_values == {1: 0.375, 2: 0.75}
    assert followed.trials[1].user_attrs["architecture"] == "width=16, operation=pool"
    assert followed.trials[2].user_attrs["error"] == "no <b>luck</b>"
    assert followed.best_trial.number == 4
    assert [each.value for each in study(storage, workdir, " (trained in full)").trials] == [0.75]


@pytest.mark.parametrize("objectives", [Objectives((Objective(),)), Objectives((Objective(), Objective("id")))])
@pytest.mark.parametrize("is_late", [False, True])
def test_a_training_that_was_stopped_is_pruned_and_never_the_best(objectives, is_late):
    from nas_jax.dashboard.studies import mirrors_of

    storage = optuna.storages.InMemoryStorage()
    mirror, _ = mirrors_of(storage, "run", SPACE, objectives, Budgets((1, 2)))
    by_budgets = [replace(each, metrics={**each.metrics, "id": 9 - each.id}) for each in trials_by_budgets()]
    times = {each.id: (1.0, 2.0) for each in by_budgets}
    if is_late:
        mirror.update([replace(each, status="pending", metrics=None) for each in by_budgets], times)
    mirror.update(by_budgets, times)
    followed = mirror.study.trials
    assert [each.state.name for each in followed] == ["PRUNED", "PRUNED", "COMPLETE"]
    assert [each.number for each in mirror.study.best_trials] == [2]
    assert [each.user_attrs.get("continues") for each in followed] == [None, None, 0]
    assert [each.user_attrs["budget"] for each in followed] == [1, 1, 2]
    if len(objectives) == 1:
        assert [each.value for each in followed] == [0.25, 0.25, 0.75]


def test_a_metric_that_is_named_like_an_attribute_lies_beside_it(workdir):
    storage = optuna.storages.InMemoryStorage()
    named = replace(TRIALS[0], metrics={**TRIALS[0].metrics, "id": 0.5, "seed": 9})
    with TrialStore(workdir / "trials.jsonl") as store:
        store.put(named)
        follow([workdir], storage)
    (followed,) = study(storage, workdir).trials
    told = [followed.user_attrs[name] for name in ("id", "seed", "metric: id", "metric: seed")]
    assert told == [named.id, named.seed, 0.5, 9]


def test_what_was_there_before_is_the_same_and_has_its_times(workdir):
    log = workdir / "trials.jsonl"
    with TrialStore(log) as store:
        store.put(*(trial(each.id, each.genome, each.stage) for each in TRIALS))
        store.put(*TRIALS)
    records = [json.loads(line) for line in log.read_text().splitlines()]
    for second, record in enumerate(records):
        record["time"] = 1.7e9 + second
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    storage = optuna.storages.InMemoryStorage()
    follow([workdir], storage)
    followed = study(storage, workdir).trials
    assert [each.value for each in followed] == list(ACCURACIES)
    assert followed[1].intermediate_values == {1: 0.375, 2: 0.75}
    assert [each.duration.total_seconds() for each in followed] == [7.0] * 6
    assert followed[3].datetime_start.timestamp() == 1.7e9 + 3


def test_a_last_line_without_its_end_is_a_trial_where_nothing_else_is_missing(workdir):
    log = workdir / "trials.jsonl"
    with TrialStore(log) as store:
        store.put(*TRIALS[:2])
    whole = log.read_bytes()
    for missing, num in ((1, 2), (5, 1)):
        log.write_bytes(whole[:-missing])
        storage = optuna.storages.InMemoryStorage()
        follow([workdir], storage)
        assert len(study(storage, workdir).trials) == num


def test_the_dashboard_serves_it(workdir):
    dashboard = pytest.importorskip("optuna_dashboard")
    with TrialStore(workdir / "trials.jsonl") as store:
        store.put(*TRIALS)
    storage = optuna.storages.InMemoryStorage()
    follow([workdir], storage)
    serve = dashboard.wsgi(storage)

    def get(path):
        environment = {"PATH_INFO": path, "QUERY_STRING": "after=0", "wsgi.input": io.BytesIO()}
        setup_testing_defaults(environment)
        statuses = []
        body = b"".join(serve(environment, lambda status, *_: statuses.append(status)))
        assert statuses == ["200 OK"]
        return json.loads(body)

    names = {each["study_name"]: each["study_id"] for each in get("/api/studies")["study_summaries"]}
    assert set(names) == {str(workdir), f"{workdir} (trained in full)"}
    served = get(f"/api/studies/{names[str(workdir)]}")["trials"]
    assert [each["state"] for each in served] == ["Fail" if each is None else "Complete" for each in ACCURACIES]
    assert served[4]["values"] == [0.875]


def test_one_run_that_cannot_be_followed_is_said_once_and_the_others_go_on(monkeypatch, capfd):
    class Counting:
        num = 0

        def update(self):
            self.num += 1
            if self.num == 5:
                raise SystemExit  # of the thread

    class Broken(Counting):
        def update(self):
            self.num += 1
            raise KeyError("study")

    broken, other = Broken(), Counting()
    monkeypatch.setattr(dashboard, "_SECONDS", 0.01)
    thread = threading.Thread(target=dashboard._keep_updating, args=[[broken, other]])
    thread.start()
    thread.join(60)
    assert (broken.num, other.num) == (5, 5)
    assert capfd.readouterr().err == "error: KeyError: 'study'\n"


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"has no config\.json"):
        follow([tmp_path], optuna.storages.InMemoryStorage())


def test_several_objectives_are_one_study_with_as_many_values():
    from nas_jax.dashboard.studies import mirrors_of

    storage = optuna.storages.InMemoryStorage()
    objectives = Objectives((Objective(), Objective("num_params", maximize=False)))
    mirror, _ = mirrors_of(storage, "run", SPACE, objectives, Budgets((1,)))
    metrics = {"val_accuracy": 0.5, "num_params": 7, "curve": {"val_accuracy": [0.2, 0.5]}}
    said = (Prediction(0.4, 0.1), Prediction(-8.0, 2.0))
    pending, later = trial(0, GENOMES[0], predictions=said), trial(1, GENOMES[1], status="finished", metrics=metrics)
    mirror.update([pending], {0: (1.0, 1.0)})
    ended = trial(0, GENOMES[0], status="finished", metrics=metrics, predictions=said)
    mirror.update([ended, later], {0: (1.0, 2.0), 1: (1.0, 2.0)})
    followed = mirror.study
    assert [each.name for each in followed.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [each.values for each in followed.trials] == [[0.5, 7.0]] * 2
    assert followed.trials[0].user_attrs["predicted_mean_num_params"] == -8.0
