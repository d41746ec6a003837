"""What trackers are told, by whom, and what becomes of one that fails."""

import importlib.util
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from fakes import Lookup, dies_at
from made_runs import make_parts
from run_configs import PATHS, smoke_config
from tracked_runs import (
    ACCURACIES,
    CLASHING,
    GENOMES,
    METRICS,
    best_until_each,
    clashing_trials,
    later_trials,
    track,
    trial,
    trials,
    write_front_of,
)

from nas_jax.config import complete
from nas_jax.constraints import Constraint
from nas_jax.errors import UserError
from nas_jax.listeners import Listener, Listeners
from nas_jax.objectives import Objective, Objectives
from nas_jax.run import Run
from nas_jax.search.loop import search
from nas_jax.sections import check_sections
from nas_jax.settings import SearchSettings
from nas_jax.store import TrialStore
from nas_jax.trackers.base import Held, Tracker
from nas_jax.trackers.tracking import Tracking, build_trackers
from nas_jax.trial import Budget

TRIALS = list(trials())


@dataclass
class Notebook:
    """A tracker that keeps what it is told, and fails when its `fails` says so."""

    told: list = field(default_factory=list)
    rounds: list = field(default_factory=list)
    ends: list = field(default_factory=list)
    fronts: list = field(default_factory=list)
    qualities: list = field(default_factory=list)
    num_closed: int = 0
    ids: set = field(default_factory=set)
    fails: object = staticmethod(lambda what: None)

    def begin(self, run):
        self.ids.add(run.id)
        self.fails("begin")
        return self

    @property
    def held(self):
        ids = frozenset(ended.trial.id for ended in self.told)
        return Held(ids, max(self.rounds, default=0), bool(self.ends))

    def trial(self, ended):
        self.fails(ended.trial.id)
        self.told.append(ended)

    def round(self, position, quality):
        self.qualities.append(quality)
        self.rounds.append(position)

    def end(self, metrics, front):
        self.ends.append(metrics)
        self.fronts.append([int(row["trial"]) for row in front])

    def close(self):
        self.num_closed += 1
        self.fails("close")


def raises_at(moment, error):
    def fails(what):
        if what == moment:
            raise error

    return fails


def test_positions_and_best_values_are_those_of_a_stage(tmp_path):
    notebook = Notebook()
    track({"notebook": notebook}, tmp_path, told=TRIALS, is_complete=True)
    *searched, final = notebook.told
    assert [ended.position for ended in searched] == [1, 2, 3, 4, 5, 6]
    assert [ended.points.get("val_accuracy") for ended in searched] == list(ACCURACIES)
    assert [ended.so_far["best_val_accuracy"] for ended in searched] == best_until_each()
    assert (final.position, final.so_far["best_val_accuracy"]) == (1, 0.75)
    assert searched[0].genes == {"width": 16, "operation": "conv"}
    assert notebook.ends == [METRICS]


def test_a_metric_that_should_be_small_is_best_where_it_is_smallest(tmp_path):
    notebook = Notebook()
    told = [
        trial(i, GENOMES[i], status="finished", metrics={"val_loss": loss}) for i, loss in enumerate((3.0, 1.0, 2.0))
    ]
    track({"notebook": notebook}, tmp_path, told=told, objectives=Objectives((Objective("val_loss", maximize=False),)))
    assert [ended.so_far["best_val_loss"] for ended in notebook.told] == [3.0, 1.0, 1.0]
    assert [ended.points["val_loss"] for ended in notebook.told] == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("num_before", range(8))
def test_a_run_that_goes_on_tells_the_rest(tmp_path, num_before):
    """Also of what was stored, but not told, before the process ended."""
    notebook, undisturbed = Notebook(), Notebook()
    (tmp_path / "undisturbed").mkdir()
    track({"notebook": undisturbed}, tmp_path / "undisturbed", told=TRIALS, is_complete=True)
    track({"notebook": notebook}, tmp_path, told=TRIALS[:num_before])
    stored = TRIALS[: num_before + 1]
    track({"notebook": notebook}, tmp_path, stored=stored, told=TRIALS[num_before + 1 :], is_complete=True)
    assert notebook.told == undisturbed.told
    assert len(notebook.ids) == 1
    assert notebook.ids != undisturbed.ids
    track({"notebook": notebook}, tmp_path, is_complete=True)
    assert notebook.told == undisturbed.told
    assert notebook.ends == [METRICS]


@pytest.mark.parametrize("num_before", range(3))
def test_a_search_that_goes_on_after_the_end_has_another_end(tmp_path, num_before):
    """Whether it is stopped on the way or not."""
    notebook, later = Notebook(), list(later_trials())
    track({"notebook": notebook}, tmp_path, told=TRIALS, is_complete=True)
    track({"notebook": notebook}, tmp_path, told=later[:num_before])
    notebook.ends.clear()  # as a tracker that has been told of trials since
    track({"notebook": notebook}, tmp_path, told=later[num_before:], is_complete=True)
    assert [ended.trial for ended in notebook.told] == [*TRIALS, *later]
    assert [ended.position for ended in notebook.told][-2:] == [7, 2]
    assert notebook.ends == [METRICS]


def test_an_end_after_more_trials_is_told_by_the_process_that_told_them(tmp_path):
    notebook = Notebook()
    track({"notebook": notebook}, tmp_path, told=TRIALS, is_complete=True)
    track({"notebook": notebook}, tmp_path, told=list(later_trials()), is_complete=True)
    track({"notebook": notebook}, tmp_path, is_complete=True)
    assert notebook.ends == [METRICS, METRICS]


def test_the_end_comes_with_the_front_of_several_objectives(tmp_path):
    one, several = Notebook(), Notebook()
    track({"notebook": one}, tmp_path, told=TRIALS, is_complete=True)
    write_front_of(tmp_path, 1, 4)
    track({"notebook": several}, tmp_path, stored=TRIALS, is_complete=True)
    assert (one.fronts, several.fronts) == ([[]], [[4, 1]])


def test_an_assessment_is_told_once_for_as_many_trials(tmp_path):
    notebook = Notebook()
    track({"notebook": notebook}, tmp_path, told=TRIALS[:4])  # told before each of them: after 0, 1, 2 and 3
    assert notebook.rounds == [1, 2, 3]
    assert notebook.qualities[-1]["val_accuracy/tau"] == 0.5
    track({"notebook": notebook}, tmp_path, told=TRIALS[4:5])
    assert notebook.rounds == [1, 2, 3, 4]


def test_an_interrupted_search_tells_each_trial_once(tmp_path):
    notebook = Notebook()

    def go_on(evaluator):
        parts = make_parts(evaluator=evaluator, search=SearchSettings(num_trials=8))
        with TrialStore(tmp_path / "log") as store, Tracking({"notebook": notebook}, print) as tracking:
            assert isinstance(tracking, Listener)
            tracking.open(tmp_path, {}, parts, store.trials())
            search(Run(parts, store, Listeners((tracking,))))

    with pytest.raises(KeyboardInterrupt):
        go_on(dies_at(5))
    assert notebook.num_closed == 1
    go_on(Lookup())
    assert [ended.trial.id for ended in notebook.told] == list(range(8))
    scores = [ended.trial.metrics["val_accuracy"] for ended in notebook.told]
    assert [ended.so_far["best_val_accuracy"] for ended in notebook.told] == np.maximum.accumulate(scores).tolist()


@pytest.mark.parametrize("moment", ["begin", 2, "close"])
def test_one_that_fails_is_named_in_one_line_and_the_others_go_on(tmp_path, moment):
    bad, good = Notebook(fails=raises_at(moment, ConnectionError("no\nnetwork"))), Notebook()
    notes = []
    track({"bad": bad, "good": good}, tmp_path, told=TRIALS, is_complete=True, notes=notes)
    assert len(good.told) == 7
    assert good.ends == [METRICS]
    (note,) = notes
    assert note.startswith("the tracker bad is off from here: ConnectionError: no network")
    assert "\n" not in note
    assert "Traceback" in (tmp_path / "trackers.log").read_text()
    bad.fails = lambda what: None
    track({"bad": bad}, tmp_path, is_complete=True, notes=notes)
    assert [ended._replace(trial=ended.trial.id) for ended in bad.told] == [
        ended._replace(trial=ended.trial.id) for ended in good.told
    ]
    assert len(notes) == 1


def test_bad_input_is_no_failure(tmp_path):
    with pytest.raises(UserError, match="no such server"):
        track({"bad": Notebook(fails=raises_at("begin", UserError("no such server")))}, tmp_path)


def test_without_trackers_nothing_is_written(tmp_path):
    track({}, tmp_path, told=TRIALS, is_complete=True)
    assert [path.name for path in tmp_path.iterdir()] == ["trials.jsonl"]


@pytest.fixture
def all_installed(monkeypatch):
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None, find=importlib.util.find_spec: (
            object() if name in ("tensorboard", "wandb", "mlflow") else find(name, package)
        ),
    )


@pytest.mark.parametrize(
    "given",
    [
        ("tensorboard", "mlflow"),
        ("tensorboard, mlflow",),  # as a flag gives it
        "tensorboard,mlflow",
        [{"name": "tensorboard"}, {"name": "mlflow", "experiment": "nas_jax"}],
    ],
)
def test_trackers_are_names_or_sections(all_installed, given):
    trackers = build_trackers({"trackers": given})
    assert list(trackers) == ["tensorboard", "mlflow"]
    assert all(isinstance(tracker, Tracker) for tracker in trackers.values())
    assert trackers["mlflow"].experiment == "nas_jax"


@pytest.mark.usefixtures("all_installed")
def test_a_single_section_needs_no_list_and_what_is_none_is_refused():
    assert list(build_trackers({"trackers": {"name": "mlflow"}})) == ["mlflow"]
    config = complete(smoke_config(next(path for path in PATHS if path.stem == "quickstart")))
    check_sections(config.to_dict() | {"trackers": {"name": "mlflow"}})
    for wrong in (5, (5,)):
        with pytest.raises(UserError, match="trackers: names"):
            build_trackers({"trackers": wrong})


@pytest.mark.parametrize("config", [{}, {"trackers": ()}, {"trackers": None}])
def test_there_may_be_none(config):
    assert build_trackers(config) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("tensorbord",), "no part 'nas_jax.trackers.tensorbord'; there are mlflow, tensorboard, wandb"),
        (("mlflow", "mlflow"), "'mlflow' is named twice"),
        (({"name": "wandb", "mode": "shared"},), "choose from online, offline"),
        (({"name": "mlflow", "uri": "x"},), "no field 'uri'; its fields are experiment, tracking_uri"),
    ],
)
def test_bad_settings_are_refused(all_installed, given, message):
    with pytest.raises(UserError, match=message):
        build_trackers({"trackers": given})


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_package_that_is_missing_is_named(monkeypatch, name):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda spec, *more: None if spec == name else find(spec, *more))
    with pytest.raises(UserError, match=rf"pip install 'nas_jax\[{name}\]'"):
        build_trackers({"trackers": (name,)})


def test_what_failed_later_is_no_best_value(tmp_path):
    """Nor is what had a smaller budget than others."""
    notebook = Notebook()
    told = [replace(TRIALS[place], budget=Budget(epochs)) for place, epochs in ((4, 1), (3, 3), (5, 3), (2, 9))]
    told[-1] = replace(told[-1], genome=told[-2].genome)
    track({"notebook": notebook}, tmp_path, told=told)
    assert [ended.so_far.get("best_val_accuracy") for ended in notebook.told] == [0.875, 0.5, 0.625, 0.5]


def test_the_best_value_is_a_feasible_one(tmp_path):
    notebook, small = Notebook(), Objectives((Objective(),), (Constraint("val_accuracy", at_most=0.6),))
    with TrialStore(tmp_path / "trials.jsonl") as store, Tracking({"notebook": notebook}, print) as tracking:
        tracking.open(tmp_path, {}, make_parts(objectives=small), store.trials())
        for each in TRIALS:
            tracking.trial(each)
    best = [ended.so_far.get("best_val_accuracy") for ended in notebook.told if ended.trial.stage == "search"]
    assert best == [0.25, 0.25, 0.25, 0.5, 0.5, 0.5]


def test_what_is_counted_is_not_taken_for_a_metric_of_that_name(tmp_path):
    notebook = Notebook()
    track({"notebook": notebook}, tmp_path, told=list(clashing_trials()), objectives=CLASHING)
    assert [ended.points.get("best_score") for ended in notebook.told] == [None, 7.0, 9.0]
    assert [ended.so_far["best_score"] for ended in notebook.told] == [None, 0.5, 0.5]
    assert [ended.points.get("hypervolume") for ended in notebook.told] == [None, 8.0, 6.0]
    assert [ended.so_far["hypervolume"] for ended in notebook.told] == [None, None, None]  # from the eighth on
