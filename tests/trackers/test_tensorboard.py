"""Event files, read by TensorBoard's own reader."""

import subprocess
import sys
from pathlib import Path

import programs
import pytest
from tracked_runs import (
    ACCURACIES,
    CLASHING,
    CONFIG,
    best_until_each,
    clashing_trials,
    later_trials,
    track,
    trials,
    trials_by_budgets,
    write_front_of,
)
from written_tables import table_of

from nas_jax.store import read_trials
from nas_jax.trackers.tensorboard import TensorBoard

reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
metadata = pytest.importorskip("tensorboard.plugins.hparams.metadata")

ROOT = Path(__file__).parents[2]
TRIALS = list(trials())
TRACKERS = {"tensorboard": TensorBoard()}


def read(folder):
    """Scalars as (step, value) by tag, texts by tag, and the metadata of the tab of parameters by tag."""
    events = reader.EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    tags = events.Tags()
    scalars = {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in tags["scalars"]}
    texts = {
        tag: [point.tensor_proto.string_val[0].decode() for point in events.Tensors(tag)]
        for tag in tags["tensors"]
        if not tag.startswith("_")
    }
    hparams = events.summary_metadata
    return scalars, texts, {tag: data.plugin_data.content for tag, data in hparams.items() if tag.startswith("_")}


@pytest.fixture
def written(tmp_path):
    track(TRACKERS, tmp_path, told=TRIALS, is_complete=True)
    return tmp_path / "tensorboard"


def test_the_search_is_one_run(written):
    scalars, texts, columns = read(written / "run")
    best = [(step, value) for step, value in enumerate(best_until_each(), start=1)]
    assert scalars["search/best_val_accuracy"] == best
    known = [(step, value) for step, value in enumerate(ACCURACIES, start=1) if value is not None]
    assert scalars["search/val_accuracy"] == known
    assert [value for _, value in scalars["search/failed"]] == [0, 0, 1, 0, 0, 0]
    assert scalars["search/train_seconds"][0] == (1, 2.5)
    assert scalars["final/best_val_accuracy"] == [(1, 0.75)]
    assert scalars["surrogate/val_accuracy/tau"] == [(step, 0.5) for step in (1, 2, 3, 4, 5)]
    assert "surrogate/val_accuracy/log_density" not in scalars  # it was no number
    assert f'"num_trials": {CONFIG["search"]["num_trials"]}' in texts["config"][0]
    assert '"test_accuracy": 0.5' in texts["winner"][0]
    experiment = metadata.parse_experiment_plugin_data(columns["_hparams_/experiment"])
    assert [info.name for info in experiment.hparam_infos] == ["width", "operation"]
    assert [value.number_value for value in experiment.hparam_infos[0].domain_discrete.values] == [16, 32, 64]
    assert experiment.metric_infos[0].name.tag == "metric/val_accuracy"


def test_a_budget_and_what_goes_on_are_told(tmp_path):
    track(TRACKERS, tmp_path, told=list(trials_by_budgets()))
    scalars, _, _ = read(tmp_path / "tensorboard" / "run")
    assert scalars["search/budget"] == [(1, 1), (2, 1), (3, 2)]
    assert scalars["search/continues"] == [(3, 0)]


def test_the_front_of_several_objectives_is_a_table(tmp_path):
    write_front_of(tmp_path, 1, 4)
    track(TRACKERS, tmp_path, told=TRIALS, is_complete=True)
    header, rule, *rows = read(tmp_path / "tensorboard" / "run")[1]["front"][0].splitlines()
    assert header == "| trial | stage | description | genome | val_accuracy | width |"
    assert rule == "| --- | --- | --- | --- | --- | --- |"
    assert [row.split(" | ")[0] for row in rows] == ["| 4", "| 1"]  # the most accurate one first
    assert rows[0].endswith("| 0.875 | 4 |")


def test_a_trial_has_its_curves_its_genes_and_its_end(written):
    scalars, texts, row = read(written / "search" / "00001")
    assert scalars["curve/val_accuracy"] == [(1, 0.375), (2, 0.75)]
    assert scalars["metric/val_accuracy"] == [(0, 0.75)]
    assert "metric/val_loss" not in scalars  # it was no number
    assert texts == {"architecture": ["width=16, operation=pool"]}
    start = metadata.parse_session_start_info_plugin_data(row["_hparams_/session_start_info"])
    assert (start.hparams["width"].number_value, start.hparams["operation"].string_value) == (16, "pool")
    end = metadata.parse_session_end_info_plugin_data(row["_hparams_/session_end_info"])
    assert end.status == 1  # STATUS_SUCCESS


def test_a_failed_trial_says_why(written):
    _, texts, row = read(written / "search" / "00002")
    assert texts["error"] == ["no <b>luck</b>"]
    assert metadata.parse_session_end_info_plugin_data(row["_hparams_/session_end_info"]).status == 2  # FAILURE


def test_a_finished_run_that_is_started_again_writes_nothing(written):
    before = {path: path.read_bytes() for path in written.rglob("*") if path.is_file()}
    track(TRACKERS, written.parent, is_complete=True)
    assert {path: path.read_bytes() for path in written.rglob("*") if path.is_file()} == before


def test_a_search_that_goes_on_after_its_end_has_another_end(tmp_path):
    track(TRACKERS, tmp_path, told=TRIALS, is_complete=True)
    first, second = later_trials()
    track(TRACKERS, tmp_path, told=[first])
    track(TRACKERS, tmp_path, told=[second])
    track(TRACKERS, tmp_path, is_complete=True)
    scalars, texts, _ = read(tmp_path / "tensorboard" / "run")
    assert scalars["search/trial"][-1] == (7, 7)
    assert scalars["final/trial"] == [(1, 6), (2, 8)]
    assert len(texts["winner"]) == 2


@pytest.mark.parametrize("num_cut", [0, 1, 30])
def test_a_killed_run_that_goes_on_has_every_trial_once(tmp_path, num_cut):
    """Killed in the middle of a record: what was cut is written again, what is there is not."""
    track(TRACKERS, tmp_path, told=TRIALS[:3])
    (path,) = (tmp_path / "tensorboard" / "run").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - num_cut])
    track(TRACKERS, tmp_path, told=TRIALS[3:], is_complete=True)
    scalars, _, _ = read(tmp_path / "tensorboard" / "run")
    assert scalars["search/trial"] == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5)]
    assert [value for _, value in scalars["search/best_val_accuracy"]] == best_until_each()
    folders = sorted(path.name for path in (tmp_path / "tensorboard" / "search").iterdir())
    assert folders == [f"{id:05d}" for id in range(6)]
    for folder in folders:
        assert len(list((tmp_path / "tensorboard" / "search" / folder).iterdir())) == 1


def test_tensorflow_is_not_imported_where_it_is_installed(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise SystemExit('imported')")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from nas_jax.event_files import EventFile, read_events\n"
        "file = EventFile(Path(sys.argv[1]) / 'run'); file.row('1', {'a': 1}); file.row_end(is_success=True)\n"
        "file.text('t', 'x'); file.columns({'a': (1, 2)}, 'm'); file.scalars(1, {'s': 2.0})\n"
        "print(len(list(read_events(Path(sys.argv[1]) / 'run'))))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "6\n"), done.stderr


def test_the_command_tells_of_everything(tmp_path):
    """The search, what was trained in full, the assessments and the end, by a name on the command line."""
    table, workdir = table_of("benchmark_table"), tmp_path / "run"
    flags = ["--config=configs/benchmark_table.py:smoke", f"--config.evaluator.path={table}", "--config.exclude=params"]
    done = programs.run("nas_jax.main", *flags, "--config.trackers=tensorboard", f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    scalars, texts, _ = read(workdir / "tensorboard" / "run")
    stored = read_trials(workdir / "trials.jsonl")
    for stage in ("search", "final"):
        assert [value for _, value in scalars[f"{stage}/trial"]] == [each.id for each in stored if each.stage == stage]
        for trial in (each for each in stored if each.stage == stage):
            own, _, _ = read(workdir / "tensorboard" / stage / f"{trial.id:05d}")
            assert own["metric/accuracy"] == [(0, pytest.approx(trial.metrics["accuracy"]))]
    assert len(texts["winner"]) == 1


def test_a_metric_that_is_called_like_another_series_has_one_of_its_own(tmp_path):
    track(TRACKERS, tmp_path, told=list(clashing_trials()), objectives=CLASHING)
    scalars, _, _ = read(tmp_path / "tensorboard" / "run")
    assert scalars["search/best_score"] == [(2, 0.5), (3, 0.5)]
    assert scalars["search/metric: best_score"] == [(2, 7.0), (3, 9.0)]
    assert scalars["search/metric: hypervolume"] == [(2, 8.0), (3, 6.0)]
