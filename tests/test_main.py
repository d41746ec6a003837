"""The command as a person uses it: runs, resumes, is killed, gets bad input."""

import csv
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import programs
import pytest
from fakes import Numbers
from written_tables import table_of

from nas_jax.data.arrays import load
from nas_jax.data.digits import Digits
from nas_jax.errors import UserError
from nas_jax.export import load_best
from nas_jax.run import changeable
from nas_jax.store import TrialStore, read_trials
from nas_jax.strategies.bayesopt import Bayesopt
from nas_jax.strategies.random_search import RandomSearch
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.trial import CONTENDERS, Trial

ROOT = Path(__file__).parents[1]
SMOKE = "--config=configs/quickstart.py:smoke"
NB201 = "--config=configs/benchmark_nb201.py:smoke"
COLUMNS = "--config=configs/benchmark_table.py:smoke"
TWO = (
    COLUMNS,
    f"--config.evaluator.path={table_of('benchmark_table')}",
    '--config.objectives=["accuracy", {"metric": "params", "maximize": false}]',
)


def start(*flags):
    return programs.start("nas_jax.main", *flags)


def run(*flags):
    return programs.run("nas_jax.main", *flags)


def run_anew(*flags):
    """In an interpreter of its own, for which sets have another order."""
    command = [sys.executable, "-m", "nas_jax.main", *flags]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def wait_for_lines(process, log, num_lines):
    deadline = time.monotonic() + 300
    while not log.exists() or log.read_bytes().count(b"\n") < num_lines:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run") / "smoke"
    done = run_anew(SMOKE, f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    return workdir, done.stdout


def outcome(workdir):
    """What must not depend on interruptions: every trial, and the metrics of the winner."""
    metrics = json.loads((workdir / "best" / "metrics.json").read_text())
    return [replace(trial, seconds=None) for trial in read_trials(workdir / "trials.jsonl")], metrics


def test_a_run_leaves_what_the_readme_promises(finished):
    workdir, _ = finished
    for name in (
        "config.json",
        "environment.json",
        "report.html",
        "best/genome.json",
        "best/recipe.json",
        "best/metrics.json",
    ):
        assert (workdir / name).is_file(), name
    assert "Latency, 1 example" in (workdir / "report.html").read_text()
    trials = read_trials(workdir / "trials.jsonl")
    assert [trial.stage for trial in trials][:5] == ["search"] * 4 + ["final"]
    assert {trial.status for trial in trials} == {"finished"}
    assert all(set(trial.seconds) == {"compile", "train"} for trial in trials)


def test_the_output_names_the_winner_its_accuracy_and_where_things_lie(finished):
    workdir, output = finished
    genome = json.loads((workdir / "best" / "genome.json").read_text())
    metrics = json.loads((workdir / "best" / "metrics.json").read_text())
    assert f"Winner: {genome['description']}" in output
    assert f"Test accuracy {metrics['test_accuracy']:.4f}" in output
    reference = metrics["baselines"]["reference"]
    assert f"has the best by validation: test accuracy {metrics['exported']['test_accuracy']:.4f}" in output
    assert f"Reference network, trained as a finalist: test accuracy {reference['test_accuracy']:.4f}" in output
    assert str(workdir / "report.html") in output


def test_the_exported_network_predicts_what_was_measured(finished):
    workdir, _ = finished
    classifier = load_best(workdir / "best")
    dataset = load(Digits())
    probabilities = classifier.predict(dataset.test["image"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    accuracy = np.mean(probabilities.argmax(axis=1) == dataset.test["label"])
    metrics = json.loads((workdir / "best" / "metrics.json").read_text())
    assert accuracy == pytest.approx(metrics["exported"]["test_accuracy"])
    assert metrics["exported"]["val_accuracy"] == max(metrics["val_accuracy_per_seed"])
    with pytest.raises(ValueError, match="trained on"):
        classifier.predict(np.zeros((1, 9, 9, 1), np.uint8))


def test_the_same_command_again_changes_nothing(finished):
    workdir, output = finished
    log = (workdir / "trials.jsonl").read_bytes()
    again = run(SMOKE, f"--workdir={workdir}")
    assert again.returncode == 0
    assert (workdir / "trials.jsonl").read_bytes() == log
    assert again.stdout[again.stdout.index("Finalists") :] == output[output.index("Finalists") :]


@pytest.mark.parametrize("num_lines", [1, 5, 9])
def test_killed_and_started_again_it_ends_as_if_undisturbed(finished, tmp_path, num_lines):
    """SIGKILL once the log has this many lines: before the first trial ends, in the search, among the finalists."""
    undisturbed, _ = finished
    log = tmp_path / "trials.jsonl"
    process = start(SMOKE, f"--workdir={tmp_path}")
    wait_for_lines(process, log, num_lines)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert any(trial.status == "pending" for trial in read_trials(log))
    resumed = run(SMOKE, f"--workdir={tmp_path}")
    assert resumed.returncode == 0, resumed.stderr
    assert outcome(tmp_path) == outcome(undisturbed)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--config is missing; try --config=configs/quickstart.py"),
        (["--config=configs/nix.py"], "there is no file 'configs/nix.py'"),
        (["--config", "configs/nix.py"], "there is no file 'configs/nix.py'"),
        (
            ["--config=configs/quickstart.py:huge"],
            "ValueError: variant 'huge': choose from full, one_shot, smoke",
        ),
        ([SMOKE, "seed=3"], "'seed=3' is no flag; a field of the config is set by --config.seed=3"),
        ([SMOKE, "--config.seed=-1"], "seed=-1: has to be at least 0"),
        ([SMOKE, "--config.objective.metric=val_acc"], "no 'val_acc'; choose from val_accuracy, val_loss"),
        ([SMOKE, "--config.sede=1"], "the config has no such field: 'sede'"),
        ([SMOKE, "--config.seed=x"], "--config.seed=x"),
        ([SMOKE, "--config.surrogate.kernel=cosine"], "unknown kernel 'cosine'; choose from matern12"),
        ([SMOKE, "--config.space.name=tree"], "spaces: no part 'nas_jax.spaces.tree'; there are categorical, chain"),
        ([SMOKE, "--config.space.min_feature_layers=9"], "need 0 <= min <= max"),
        ([SMOKE, "--config.space.conv_filters=(16.5,)"], "conv_filters: must be a list, each entry a whole number"),
        ([SMOKE, "--config.recipe.batch_size=5000"], "there are only 1150 training examples"),
        ([SMOKE, "--config.search.num_trials=1"], "search: num_trials has to be at least 2"),
        ([SMOKE, "--config.evaluator=tabular"], "spaces 'chain' needs a value for 'image_shape'"),
        ([SMOKE, "--config.strategy=luck"], "strategies: no part 'nas_jax.strategies.luck'; there are asha, bayesopt"),
        ([SMOKE, "--config.strategy=evolution", "--config.strategy.beta=1"], "the config has no such field: 'beta'"),
        ([SMOKE, "--config.stages=search,luck"], "stages: there is no 'luck'; choose from search, finalists, export"),
        ([SMOKE, "--config.surrogate=gaussian_process", "--config.targets=best"], "unknown targets 'best'"),
        ([NB201], "name a CSV or JSON file, for example with --config.evaluator.path=table.csv"),
        ([NB201, "--config.evaluator.path=nix.csv"], "the table 'nix.csv' cannot be read"),
        ([NB201, "--config.evaluator=training"], "trains networks, which needs the sections data and recipe"),
        ([*TWO, "--config.finalists.choice=max acc"], "finalists.choice: no 'acc'; choose from accuracy, params"),
        ([COLUMNS, "--config.target=test_loss"], "is of the test split, which no search may see"),
        ([SMOKE, "--workdir=/dev/null/run"], "choose another folder (--workdir)"),
        (["--config=configs/cifar10.py:smoke", "--config.data.data_dir=/nowhere"], "preparing it needs TensorFlow"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(flags, message, tmp_path):
    flags = flags if any("--workdir" in flag for flag in flags) else [*flags, f"--workdir={tmp_path / 'run'}"]
    if "TensorFlow" in message and importlib.util.find_spec("tensorflow"):
        pytest.skip("with TensorFlow this would start a download")
    failed = run(*flags)
    assert failed.returncode == 2, failed.stderr
    assert message in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_another_config_in_the_same_workdir_is_refused(finished):
    workdir, _ = finished
    failed = run(SMOKE, f"--workdir={workdir}", "--config.seed=1")
    assert failed.returncode == 2
    assert "holds a run with other settings (seed: 0 there, 1 here)" in failed.stderr


def test_a_search_that_goes_on_before_its_finalists_is_as_if_it_had_been_so_long(finished, tmp_path):
    workdir, _ = finished
    flags = (SMOKE, f"--workdir={tmp_path}")
    done = run(*flags, "--config.search.num_trials=2", "--config.stages=search")
    assert done.returncode == 0, done.stderr
    assert len(read_trials(tmp_path / "trials.jsonl")) == 2
    done = run(*flags)
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path) == outcome(workdir)


def test_a_search_that_goes_on_after_its_finalists_picks_them_anew(finished, tmp_path):
    """What was trained in full is not trained again, and the winner of before is kept."""
    earlier, _ = finished
    workdir = tmp_path / "run"
    shutil.copytree(earlier, workdir)
    before, best = outcome(earlier)
    done = run(SMOKE, f"--workdir={workdir}", "--config.search.num_trials=7")
    assert done.returncode == 0, done.stderr
    assert "the best/ of before is best_after_4/" in done.stdout
    trials, later = outcome(workdir)
    new = trials[len(before) :]
    assert trials[: len(before)] == before
    assert [trial.stage for trial in new[:3]] == ["search"] * 3
    assert {trial.status for trial in trials} == {"finished"}
    in_full = [trial.genome for trial in trials if trial.stage in CONTENDERS]
    assert len(new) > 3
    assert len(in_full) == len(set(in_full))
    assert json.loads((workdir / "best_after_4/metrics.json").read_text()) == best
    winner = max(
        (trial for trial in trials if trial.stage in CONTENDERS), key=lambda trial: trial.metrics["val_accuracy"]
    )
    assert later["trial"] == winner.id
    log = (workdir / "trials.jsonl").read_bytes()
    done = run(SMOKE, f"--workdir={workdir}", "--config.search.num_trials=7")
    assert done.returncode == 0, done.stderr
    assert (workdir / "trials.jsonl").read_bytes() == log
    assert not (workdir / "best_after_7").exists()


def test_a_run_of_an_earlier_version_goes_on_with_the_defaults_of_new_fields(finished, tmp_path):
    workdir, _ = finished
    shutil.copytree(workdir, tmp_path / "run")
    path = tmp_path / "run/config.json"
    config = json.loads(path.read_text())
    del config["surrogate"]["num_draws"], config["finalists"]["choice"]
    path.write_text(json.dumps(config))
    refused = run(SMOKE, f"--workdir={path.parent}", "--config.surrogate.num_draws=2")
    assert "holds a run with other settings (surrogate.num_draws: 4 there, 2 here)" in refused.stderr
    done = run(SMOKE, f"--workdir={path.parent}")
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text())["surrogate"]["num_draws"] == 4


def test_the_surrogate_may_change_while_no_trial_depends_on_it(tmp_path):
    flags = (SMOKE, "--config.strategy=random_search", f"--workdir={tmp_path}")
    assert run(*flags, "--config.stages=search").returncode == 0
    changed = run(*flags, "--config.surrogate.kernel=rbf")
    assert changed.returncode == 0, changed.stderr
    assert json.loads((tmp_path / "config.json").read_text())["surrogate"]["kernel"] == "rbf"
    assert "kernel=rbf" in json.loads((tmp_path / "environment.json").read_text())["later"][0]["command"]


def test_a_second_process_is_refused(finished):
    workdir, _ = finished
    with TrialStore(workdir / "trials.jsonl"):
        failed = run(SMOKE, f"--workdir={workdir}")
    assert failed.returncode == 2
    assert "another process is working in" in failed.stderr


@pytest.fixture(scope="module")
def looked_up(tmp_path_factory):
    """A run on a table of columns, and its flags."""
    workdir = tmp_path_factory.mktemp("table") / "run"
    flags = (COLUMNS, f"--config.evaluator.path={table_of('benchmark_table')}", "--config.exclude=params")
    done = run_anew(*flags, f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    return workdir, flags, done.stdout


def test_a_run_on_a_table_leaves_everything_but_a_network(looked_up):
    workdir, _, output = looked_up
    with open(table_of("benchmark_table")) as file:
        table = {(int(r["depth"]), int(r["width"]), r["operation"]): float(r["accuracy"]) for r in csv.DictReader(file)}
    trials = read_trials(workdir / "trials.jsonl")
    assert [trial.stage for trial in trials][:7] == ["search"] * 6 + ["final"]
    assert [trial.metrics for trial in trials] == [{"accuracy": table[trial.genome]} for trial in trials]
    best = {path.name: json.loads(path.read_text()) for path in (workdir / "best").iterdir()}
    assert set(best) == {"genome.json", "metrics.json"}
    winner = next(trial for trial in trials if trial.id == best["metrics.json"]["trial"])
    assert best["genome.json"]["genome"] == list(winner.genome)
    assert f"accuracy {table[winner.genome]:.4f}" in output
    assert f'<dd class="value">{table[winner.genome]:.4g}</dd>' in (workdir / "report.html").read_text()
    assert "train_one" not in (workdir / "report.html").read_text()  # its space builds no networks
    with pytest.raises(UserError, match="a genome without a network"):
        load_best(workdir / "best")


@pytest.mark.parametrize("num_lines", [1, 6, 13])
def test_a_run_on_a_table_goes_on_from_any_line_of_its_log(looked_up, tmp_path, num_lines):
    undisturbed, flags, _ = looked_up
    lines = (undisturbed / "trials.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "trials.jsonl").write_text("".join(lines[:num_lines]))
    (tmp_path / "config.json").write_bytes((undisturbed / "config.json").read_bytes())
    resumed = run(*flags, f"--workdir={tmp_path}")
    assert resumed.returncode == 0, resumed.stderr
    assert outcome(tmp_path) == outcome(undisturbed)


def test_a_report_and_a_comparison_of_runs_on_tables(looked_up, tmp_path):
    """The small loss wins; the surrogate's scores are negative, and what is printed is not."""
    workdir, flags, _ = looked_up
    other = tmp_path / "small"
    changes = ["--config.objective.maximize=false", "--config.evaluator.num_workers=3"]
    done = run(*flags, *changes, f"--workdir={other}")
    assert done.returncode == 0, done.stderr
    searched = [trial for trial in read_trials(other / "trials.jsonl") if trial.stage == "search"]
    best = json.loads((other / "best" / "metrics.json").read_text())
    assert best["accuracy"] <= np.median([trial.metrics["accuracy"] for trial in searched])
    report = programs.run("nas_jax.report", f"--workdir={other}")
    assert report.returncode == 0, report.stderr
    compared = programs.run("nas_jax.compare", workdir, other)
    assert compared.returncode == 0, compared.stderr
    table = compared.stdout
    assert "objective.maximize" in table
    *rows, last = table.strip().splitlines()
    assert "The runs have different objectives" in last
    assert f"{best['accuracy']:.4g}" in next(row for row in rows if str(other) in row)


def test_test_accuracies_of_a_table_are_looked_up_at_the_end(tmp_path):
    done = run(NB201, f"--config.evaluator.path={table_of('benchmark_nb201')}", f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "test" not in (tmp_path / "trials.jsonl").read_text()
    best = json.loads((tmp_path / "best" / "metrics.json").read_text())
    assert best["test_accuracy"] == pytest.approx(best["val_accuracy"] + 0.04)  # as the table was written
    assert f"Test accuracy {best['test_accuracy']:.4f}" in done.stdout
    page = (tmp_path / "report.html").read_text()
    assert "python -m nas_jax.train_one trains it on your data" in page
    assert f'<dt>Test accuracy</dt>\n<dd class="value">{100 * best["test_accuracy"]:.2f} %</dd>' in page


def test_a_choice_that_no_point_meets_can_be_changed(tmp_path):
    """And with one section alone in place of a list of constraints."""
    limit = '--config.constraints={"metric": "accuracy", "at_least": 0.1}'
    flags = (*TWO, limit, "--config.finalists.num_finalists=5", f"--workdir={tmp_path}")
    failed = run(*flags, "--config.finalists.choice=at params <= 1")
    assert failed.returncode == 2
    assert "no point of the front has params <= 1" in failed.stderr
    points = {path.name for path in (tmp_path / "front").iterdir()}
    picked = programs.run("nas_jax.pick", f"--workdir={tmp_path}", "--rule=min params")
    assert picked.returncode == 0, picked.stderr
    shutil.rmtree(tmp_path / "best")
    trials = (tmp_path / "trials.jsonl").read_bytes()
    done = run(*flags, "--config.finalists.choice=max accuracy")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "trials.jsonl").read_bytes() == trials
    best = json.loads((tmp_path / "best" / "metrics.json").read_text())
    assert str(best["trial"]) in points
    refused = run(*flags, "--config.finalists.choice=knee")
    assert "holds a run with other settings (finalists.choice: max accuracy there, knee here)" in refused.stderr


def test_a_table_with_a_curve_may_have_a_constraint_and_objectives_beside_it(tmp_path):
    """`width` is a column that no budget changes."""
    flags = ("--config=configs/benchmark_curves.py:smoke", f"--config.evaluator.path={table_of('benchmark_curves')}")
    flags += ("--config.strategy=asha", "--config.finalists.pick=surrogate", "--config.finalists.num_finalists=5")
    objectives = '[{"metric": "val_loss", "maximize": false}, {"metric": "width", "maximize": false}]'
    limit = '--config.constraints={"metric": "width", "at_most": 64}'
    done = run(*flags, f"--config.objectives={objectives}", limit, f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    trials = read_trials(tmp_path / "trials.jsonl")
    assert {trial.metrics["width"] for trial in trials if trial.metrics} == {16, 32, 64, 128}
    assert len({trial.budget for trial in trials}) > 2
    assert json.loads((tmp_path / "best" / "metrics.json").read_text())["width"] <= 64


SECTIONS = {"seed", "space", "strategy", "surrogate", "targets", "finalists"}


@pytest.mark.parametrize(
    ("stages", "is_guided", "expected"),
    [
        ([], True, SECTIONS),
        ([], False, SECTIONS),
        (["search"], True, {"finalists"}),
        (["search"], False, {"surrogate", "targets", "finalists"}),  # only the finalists ask it
        (["search", "final"], True, set()),
        (["search", "final"], False, set()),
        (["search", "baseline"], False, set()),
    ],
)
def test_what_stored_trials_depend_on_cannot_change(tmp_path, stages, is_guided, expected):
    """Even if they are pending, and in a process that reads them from the log."""
    strategy = Bayesopt(Numbers(), GaussianProcess()) if is_guided else RandomSearch(Numbers())
    log = tmp_path / "trials.jsonl"
    with TrialStore(log) as store:
        store.put(*(Trial(i, (i,), f"number {i}", stage, seed=0) for i, stage in enumerate(stages)))
        assert set(changeable(store, SECTIONS, strategy)) == expected
    with TrialStore(log) as store:
        assert set(changeable(store, SECTIONS, strategy)) == expected


@pytest.mark.parametrize(
    ("name", "sent", "code"),
    [("in_process", signal.SIGINT, 130), ("workers", signal.SIGINT, 130), ("workers", signal.SIGTERM, 143)],
)
def test_interrupting_says_how_to_go_on(tmp_path, name, sent, code):
    process = start(SMOKE, f"--config.execution={name}", f"--workdir={tmp_path}")
    wait_for_lines(process, tmp_path / "trials.jsonl", 1)
    process.send_signal(sent)
    _, errors = process.communicate()
    assert process.returncode == code
    assert "The same command goes on from here" in errors
    assert "Traceback" not in errors
    assert read_trials(tmp_path / "trials.jsonl")[-1].status == "pending"


def test_a_second_signal_ends_the_run_at_once(tmp_path):
    """Here the first one finds the main thread in an uninterruptible wait, which a handler of Python cannot end."""
    program = (
        "import signal, sys, time\nfrom nas_jax.cli import start\n"
        "def main(argv):\n"
        "    try:\n        print('ready', flush=True)\n        time.sleep(60)\n"
        "    finally:\n        print('stopping', flush=True)\n        time.sleep(60)\n"
        "sys.argv[1:] = []\nstart(main)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in ("ready", "stopping"):
        assert process.stdout.readline().strip() == line
        process.send_signal(signal.SIGTERM)
    assert process.wait(30) == -signal.SIGTERM
    process.stdout.close()


def test_a_signal_in_a_destructor_is_not_lost():
    """Python ignores exceptions there."""
    program = (
        "import os, signal, sys, time\nfrom nas_jax.cli import start\n"
        "class Ending:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGINT)\n        time.sleep(60)\n"
        "def main(argv):\n    Ending()\n    time.sleep(60)\n"
        "sys.argv[1:] = []\nstart(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 130
    assert done.stderr.strip() == "Interrupted. The same command goes on from here."


def test_workers_find_what_one_process_finds(tmp_path):
    """Random search asks for the same genomes in whatever order trials end."""
    flags = (SMOKE, "--config.strategy=random_search", '--config.stages=("search",)')
    for name, more in (("here", ()), ("there", ("--config.execution=workers", "--config.execution.num_workers=2"))):
        done = run(*flags, *more, f"--workdir={tmp_path / name}")
        assert done.returncode == 0, done.stderr
    here, there = (read_trials(tmp_path / name / "trials.jsonl") for name in ("here", "there"))
    assert [trial.genome for trial in here] == [trial.genome for trial in there]
    for one, other in zip(here, there, strict=True):
        assert one.metrics["val_loss"] == pytest.approx(other.metrics["val_loss"], rel=1e-3)


@pytest.fixture(scope="module")
def own_stage(tmp_path_factory):
    """A folder with a module of one's own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_stages.py").write_text(
        "def count(run):\n"
        "    trials = run.store.trials('search')\n"
        "    (run.workdir / 'count.txt').write_text(str(len(trials)))\n"
    )
    return folder


def test_a_stage_can_be_left_out_and_one_of_ones_own_put_in(own_stage, tmp_path):
    flags = [
        "--config.strategy=random_search",
        "--config.search.num_trials=2",
    ]
    stages = "--config.stages=search,my_stages.count"
    done = programs.run("nas_jax.main", SMOKE, *flags, stages, f"--workdir={tmp_path}", PYTHONPATH=str(own_stage))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "count.txt").read_text() == "2"
    assert not (tmp_path / "best").exists()
    assert "finalists" not in done.stdout
    later = run(SMOKE, *flags, f"--workdir={tmp_path}")  # and put in later
    assert later.returncode == 0, later.stderr
    assert (tmp_path / "best").exists()
