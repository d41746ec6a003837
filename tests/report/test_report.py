import json
import math
import re
import runpy
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import programs
import pytest
from report_page import Fastidious, add, report, subject, with_metrics
from run_files import CONFIG, failed, finished, search_records, write

from nas_jax.config import complete
from nas_jax.data.arrays import ArraySpec, Spec, spec_to_json
from nas_jax.errors import UserError
from nas_jax.features.space import with_features
from nas_jax.objectives import Objective
from nas_jax.report import importance
from nas_jax.report.random_search import expected_best
from nas_jax.spaces.categorical import Categorical
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.tasks.classification import Classification
from nas_jax.units import binomial_error


def test_answer_names_the_winner_with_its_errors(complete):
    page = report(complete)
    assert "conv 8-8-8-2" in page.text("answer")
    assert "Trial 41 (final), exported to best/" in page.text("answer")
    validation = math.sqrt(0.7 * 0.3 / 5000)
    test = math.sqrt(0.69 * 0.31 / 10000)
    by = "± is one standard error, by {:,} examples"
    assert page.facts["Validation accuracy"] == [f"70.00 % ± {100 * validation:.2f} %", by.format(5000)]
    assert page.facts["Test accuracy"] == [f"69.00 % ± {100 * test:.2f} %", by.format(10000)]
    assert page.facts["Parameters"] == ["26,000"]
    assert page.facts["FLOPs"][0] == "5,000,000"
    assert page.facts["Validation loss"] == ["1.3"]


def test_latency_is_what_was_measured(complete):
    latencies = [
        {"batch_size": 1, "median": 0.0021, "low": 0.002, "high": 0.0025, "num_calls": 50},
        {"batch_size": 64, "median": 0.125, "low": 0.12, "high": 0.13, "num_calls": 16},
    ]
    record = {"device": "cpu: cpu", "num_cpus": 2, "load": 0.5, "latencies": latencies}
    (complete / "best" / "latency.json").write_text(json.dumps(record))
    page = report(complete)
    value, note = page.facts["Latency, 1 example"]
    assert value == "2.1 ms"
    assert "median of 50 calls, quartiles 2 and 2.5 ms, float32, on cpu: cpu (2 cores, load 0.5)" in note
    assert page.facts["Latency, 64 examples"][0] == "125 ms"


def test_finalists_are_in_order_of_measured_accuracy_winner_first(complete):
    rows = report(complete).rows("finalists")
    assert [row[0] for row in rows] == ["winner", "", "", "", ""]
    assert [row[4] for row in rows] == ["70.00 %", "66.00 %", "64.00 %", "61.00 %", "failed"]
    assert rows[0][1:4] == ["conv 8-8-8-2", "62.00 % ± 1.50 %", "-"]
    best_of_search = max(record["metrics"]["val_accuracy"] for record in search_records(40))
    assert rows[2][2:4] == ["-", f"{100 * best_of_search:.2f} %"]
    assert rows[0][5:] == ["26,000", "12"]


def test_random_search_is_the_expected_maximum_of_draws():
    scores = np.array([0.3, 0.9, 0.5, 0.5, 0.1])
    draws = np.random.default_rng(0).choice(scores, (200_000, 4))
    simulated = np.maximum.accumulate(draws, axis=1).mean(axis=0)
    np.testing.assert_allclose(expected_best(scores, 4), simulated, atol=2e-3)
    assert expected_best(scores, 1) == pytest.approx(scores.mean())
    assert expected_best(scores, 1000)[-1] == pytest.approx(0.9)


def test_draws_that_bring_nothing_count_as_draws():
    """What is expected is the best where there is one: here one draw in three brings something."""
    scores = np.array([0.3, np.nan, 0.9, np.nan, np.nan, np.nan])
    draws = np.random.default_rng(0).choice(np.where(np.isnan(scores), -np.inf, scores), (200_000, 4))
    best = np.maximum.accumulate(draws, axis=1)
    simulated = [column[column > 0].mean() for column in best.T]
    np.testing.assert_allclose(expected_best(scores, 4), simulated, atol=4e-3)
    assert expected_best(scores, 1) == pytest.approx(0.6)


def test_random_trials_that_failed_are_counted(tmp_path):
    records = [*search_records(5), *(failed(id, "out of memory") for id in range(5, 12))]
    text = report(write(tmp_path / "run", records), num_random=12).text("progress")
    assert "which are random (12, 7 of them without a score that counts)" in text
    text = report(write(tmp_path / "few", records[2:]), num_random=12).text("progress")
    assert "fewer than 4 trials" in text


def test_random_search_is_made_of_the_trials_that_are_known_to_be_random(tmp_path):
    workdir = write(tmp_path / "run", search_records(20))
    text = report(workdir, num_random=6).text("progress")
    assert "drew at random before it asked the surrogate (6)" in text
    assert "It cannot exceed the best of these, so beyond 6 draws" in text
    assert "Random search is not drawn" in report(workdir).text("progress")
    text = report(workdir, num_random=math.inf).text("progress")
    assert "all trials of this search, which are random (20)" in text
    assert "cannot exceed" not in text


def test_what_mattered_is_found(tmp_path):
    """The score is a sum of which the first gene has the largest part, and the third none."""
    space = Categorical(genes=(("depth", (1, 2, 3, 4)), ("width", (1, 2, 3, 4)), ("colour", (1, 2, 3, 4))))
    rng = np.random.default_rng(0)
    genomes = space.sample(rng, 50)
    records = [
        finished(id, list(genome), 0.5 + 0.05 * genome[0] + 0.01 * genome[1]) for id, genome in enumerate(genomes)
    ]
    page = report(write(tmp_path, records), space=space)
    text = page.text("importance")
    assert "What mattered most: depth, then width." in text
    effects = {(gene, choice): effect for gene, choice, effect in page.rows("importance")}
    assert [gene for gene, _ in effects][:2] == ["depth", "depth"]
    low, high = (float(effects["depth", choice].split()[0]) for choice in "14")
    assert [low, high] == pytest.approx([-7.5, 7.5], abs=0.02)  # percent: 0.05 (1 - 2.5) and 0.05 (4 - 2.5)


class Sizes(NamedTuple):
    """A feature that is of no gene."""

    names = ("size",)
    limit = None

    def of(self, genomes):
        return np.array([[float(sum(genome))] for genome in genomes])


def test_what_mattered_is_asked_of_the_genes_alone_where_there_are_features_beside(tmp_path):
    space = Categorical(genes=(("depth", (1, 2, 3, 4)), ("width", (1, 2, 3, 4))))
    records = [finished(id, list(genome), 0.5 + 0.05 * genome[0]) for id, genome in enumerate(space.genomes())]
    about = subject(write(tmp_path, records), space=space, surrogate=GaussianProcess())
    about = replace(about, learner=replace(about.learner, space=with_features(space, Sizes())))
    made = importance.section(about)
    assert made.verdict == "What mattered most: depth, then width."
    assert {gene for gene, _, _ in made.tables[0].rows} == {"depth", "width"}


def test_cost_sums_seconds_by_stage(complete):
    rounds = [{"position": id, "seconds": 1.5, "proposals": [{}], "assessments": {}} for id in range(40)]
    lines = "".join(json.dumps(each) + "\n" for each in rounds)
    (complete / "diagnostics.jsonl").write_text(lines + '{"position": 4')  # torn by a kill
    page = report(complete)
    assert page.rows("cost") == [
        ["search", "40", "80.0", "400.0", "480.0"],
        ["final", "5", "8.0", "40.0", "48.0"],
        ["baseline", "1", "2.0", "10.0", "12.0"],
        ["all", "46", "90.0", "450.0", "540.0"],
    ]
    assert "Trials took 9.0 minutes" in page.text("cost")
    assert "thought for 1.0 minutes" in page.text("cost")


def test_damaged_diagnostics_are_named(complete):
    (complete / "diagnostics.jsonl").write_text('{"position": 4}\n')
    with pytest.raises(UserError, match=r"line 1 of .*diagnostics\.jsonl is damaged"):
        report(complete)


def test_learning_curves_are_there_where_there_are_any(complete):
    assert "There are none: no training has ended." in report(complete).text("curves")
    curve = {"val_accuracy": [0.3, 0.6, 0.7], "val_loss": [3.0, 2.0, 1.0]}
    add(complete, with_metrics(finished(41, [8, 8, 8, 2], 0.70, "final"), curve=curve))
    text = report(complete).text("curves")
    assert "Validation accuracy" in text
    assert "winner" in text
    assert "Validation loss" in report(complete, Objective("val_loss", maximize=False)).text("curves")


def test_settings_can_be_read_back(complete):
    yaml = pytest.importorskip("yaml")
    page = report(complete)
    command, config, environment = page.codes[-3:]
    assert yaml.safe_load(config) == CONFIG
    assert yaml.safe_load(environment)["devices"] == ["cpu"]
    assert command == "python -m nas_jax.main --config=a.py"
    assert "Seed 3" in page.text("settings")


def test_who_repeats_a_run_that_went_on_with_another_command_needs_both(complete):
    path = complete / "environment.json"
    environment = json.loads(path.read_text())
    longer = "python -m nas_jax.main --config=a.py --config.search.num_trials=80"
    path.write_text(json.dumps(environment | {"later": [{**environment, "command": longer}]}))
    page = report(complete)
    assert page.codes[-3] == f"python -m nas_jax.main --config=a.py\n{longer}"
    assert "in turn, each with another --workdir" in page.text("settings")


def test_half_finished_run_says_so(tmp_path):
    pending = finished(20, [1, 1, 1, 1], 0.0, status="pending") | {"metrics": None}
    workdir = write(tmp_path / "half", [*search_records(20), failed(21, "nan loss"), pending])
    page = report(workdir)
    state = "has not finished, or was stopped: 20 of 40 search trials finished, 1 failed, 1 were under way"
    assert state in (workdir / "report.html").read_text()
    best = max(search_records(20), key=lambda record: record["metrics"]["val_accuracy"])
    assert f"trial {best['id']} with {100 * best['metrics']['val_accuracy']:.2f} %" in page.text("answer")
    assert "No finalist has been picked yet." in page.text("finalists")
    assert "no finalist has been measured" in page.text("real")
    assert "Nothing has been exported yet" in page.text("use")
    assert dict(page.rows("surrogate"))["trials"] == "20"


def test_finalists_without_an_export_have_no_test_accuracy(tmp_path):
    final = finished(20, [8, 8, 8, 8], 0.7, "final")
    page = report(write(tmp_path / "run", [*search_records(20), final]))
    assert "nothing has been exported" in page.text("answer")
    assert page.facts["Validation accuracy"][0] == "70.00 % ± 0.65 %"
    assert "Test accuracy" not in page.facts


def test_all_failed_run_counts_the_reasons(tmp_path):
    records = [failed(id, "out of memory" if id < 7 else f"loss is nan in epoch {id}") for id in range(9)]
    records.append(failed(9, "killed", failure="worker_lost", num_attempts=3))
    workdir = write(tmp_path / "failed", records)
    page = report(workdir)
    assert "Every trial of this run has failed so far: 0 of 40" in (workdir / "report.html").read_text()
    assert "nothing to choose from" in page.text("answer")
    assert page.rows("failures") == [
        ["7", "error", "out of memory"],
        ["2", "error", "loss is nan in epoch 7"],
        ["1", "worker_lost", "killed"],
    ]
    assert "1 trials were begun more than once" in page.text("failures")
    assert "0 search trials have a score" in page.text("surrogate")
    assert "svg" not in page.tags


def test_a_metric_that_is_not_finite_is_a_failure(tmp_path):
    page = report(write(tmp_path / "run", [*search_records(6), finished(6, [1, 1, 1, 1], math.nan)]))
    assert page.rows("failures") == [["1", "non_finite", "val_accuracy is not finite"]]
    assert dict(page.rows("surrogate"))["trials"] == "6"


def test_what_was_not_trained_for_a_constraint_has_not_failed(tmp_path):
    left_out = finished(6, [1, 1, 1, 1], 0.0) | {"metrics": {"size_bytes": 9.0, "is_infeasible": True}}
    page = report(write(tmp_path / "run", [*search_records(6), left_out]))
    assert "No trial failed." in page.text("failures")


@pytest.mark.parametrize("has_log", [True, False])
def test_run_without_trials(tmp_path, has_log):
    workdir = write(tmp_path / "empty", [])
    if not has_log:
        (workdir / "trials.jsonl").unlink()
    report(workdir)
    assert "0 of 40 search trials finished" in (workdir / "report.html").read_text()


def test_surrogate_needs_some_trials(tmp_path):
    page = report(write(tmp_path / "short", search_records(4)))
    assert "4 search trials have a score, 5 are needed" in page.text("surrogate")


def test_scores_that_the_surrogate_refuses_are_no_reason_to_fail(tmp_path):
    space = Categorical(genes=tuple((name, tuple(range(1, 9))) for name in "abcd"))
    page = report(write(tmp_path, search_records(20)), surrogate=Fastidious(), space=space)
    for section in ("surrogate", "importance"):
        assert "y must be prime" in page.text(section)


def test_scores_that_are_all_equal_have_no_rank_correlation(tmp_path):
    records = [finished(id, [id, 1, 1, 1], 0.5) for id in range(6)]
    page = report(write(tmp_path / "flat", records), surrogate=GaussianProcess(num_starts=1))
    assert dict(page.rows("surrogate"))["Kendall's tau"] == "nan"


def test_loss_as_objective_is_printed_as_a_loss(complete):
    page = report(complete, Objective("val_loss", maximize=False))
    assert [row[4] for row in page.rows("finalists")] == ["1.3", "1.34", "1.36", "1.39", "failed"]
    assert "%" not in dict(page.rows("surrogate"))["root mean squared error"]
    assert page.facts["Validation loss"] == ["1.3"]
    assert "In val_loss the winner is better than the best of the search." in page.text("real")
    assert page.rows("real")[1][2:4] == ["1.32", "+0.02"]


def test_a_regression_reads_as_one(regression):
    page = report(regression, Objective("val_rmse", maximize=False), num_random=10)
    assert page.facts["Validation rmse"] == ["1.3"]
    assert page.facts["Test rmse"] == ["1.31"]
    assert list(page.facts)[:4] == ["Validation rmse", "Test rmse", "Validation loss", "Test loss"]
    assert "chosen by its val_rmse" in page.text("answer")
    assert "In val_rmse the winner is better than the best of the search." in page.text("real")
    assert page.rows("real")[1][2:6] == ["1.32", "+0.02", "1.36", "+0.05"]
    assert [row[4] for row in page.rows("finalists")] == ["1.3", "1.34", "1.36", "1.39", "failed"]
    assert "negative validation rmse" in page.text("surrogate").lower()
    words = " ".join(page.text(id) for id in page.sections if id != "settings")
    assert not re.search("accuracy|class|softmax", words, re.IGNORECASE)


def test_several_objectives_have_a_column_and_a_picture_each(complete):
    """The largest network of the front is the most accurate one, and wins."""
    objectives = Objective(), Objective("num_params", maximize=False)
    records = [json.loads(line) for line in (complete / "trials.jsonl").read_text().splitlines()]
    add(complete, *(record | {"predictions": 2 * record["predictions"]} for record in records))
    space = Categorical(genes=tuple((name, tuple(range(1, 10))) for name in "abcd"))
    page = report(complete, *objectives, space=space, surrogate=GaussianProcess(num_starts=1))
    assert "chosen by its val_accuracy and its num_params" in page.text("answer")
    header = next(rows[0] for id, rows in page.tables if id == "finalists")
    assert header[2:8] == [
        f"{what}, {metric}"
        for metric in ("val_accuracy", "num_params")
        for what in ("Predicted, search", "Measured, search", "Measured, final")
    ]
    assert page.rows("finalists")[0][7] == "26,000"
    assert "The best of val_accuracy of 40 scores" in page.text("progress")
    assert "The best of num_params of 40 scores" in page.text("progress")
    for id in ("held-out-0", "held-out-1", "importance-0", "importance-1"):
        assert id in page.ids
    assert "In num_params the winner is worse than the best of the search." in page.text("real")


NASTY = "<script>alert(1)</script> & \"q\" 'a' </section> {{ 7 * 7 }} $x_1$"


def test_text_of_the_data_cannot_break_the_page(tmp_path):
    """In a description, a class, a reason, a metric, a gene, the config, the command and the name of the folder."""
    space = Categorical(genes=((NASTY, (1, 2, 3, 4)), ("b", (1, 2, 3, 4)), ("c", (1, 2, 3, 4))))
    genomes = space.sample(np.random.default_rng(0), 20)
    records = [
        with_metrics(
            finished(id, list(genome), 0.1 * genome[0], description=NASTY, predictions=[{"mean": 0.3, "std": 0.1}]),
            **{NASTY: 0.1 * genome[0] + 0.01 * genome[1], "curve": {NASTY: [0.1, 0.2]}},
        )
        for id, genome in enumerate(genomes)
    ]
    final = with_metrics(finished(20, list(genomes[0]), 0.7, "final", description=NASTY), **{NASTY: 0.7})
    config = CONFIG | {"space": {"name": NASTY}}
    workdir = tmp_path / "<b>run"
    write(
        workdir,
        [*records, final, failed(21, NASTY) | {"genome": [1, 1, 1]}],
        config,
        {"command": NASTY},
        {"trial": 20, NASTY: 0.7},
    )
    (workdir / "best" / "checkpoint").mkdir()
    exported = {"genome": genomes[0], "description": NASTY, "space": {"name": NASTY}, "task": {"name": NASTY}}
    arrays = {"image": ArraySpec((8, 8, 1), "uint8"), "label": ArraySpec((), "int32")}
    spec = Spec(NASTY, arrays, class_names=(NASTY, "cat"))
    (workdir / "best" / "genome.json").write_text(json.dumps({**exported, "spec": spec_to_json(spec)}))
    page = report(workdir, Objective(NASTY), space=space, task=Classification())
    assert page.facts["Classes"] == [f"{NASTY}, cat"]
    assert page.rows("finalists")[0][1] == NASTY
    assert page.rows("failures") == [["1", "error", NASTY]]
    assert NASTY in page.text("answer")
    assert page.codes[-3] == NASTY
    assert NASTY.replace("_", " ") in page.text("progress")  # the axis of the figure
    assert any(row[0] == NASTY for row in page.rows("importance"))
    assert {"script", "b"}.isdisjoint(page.tags)
    assert "49" not in page.text("answer")


def test_binomial_error_is_that_of_simulated_accuracies():
    correct = np.random.default_rng(0).binomial(1000, 0.7, 20_000) / 1000
    assert binomial_error(0.7, 1000) == pytest.approx(np.std(correct), rel=0.02)


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json"):
        report(tmp_path)


def test_command_rebuilds_the_parts_from_the_config(tmp_path):
    quickstart = runpy.run_path(str(Path(__file__).parents[2] / "configs" / "quickstart.py"))
    config = complete(quickstart["get_config"]("smoke")).to_dict()
    workdir = write(tmp_path / "run", [], config)
    result = programs.run("nas_jax.report", f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(workdir / "report.html")
    assert f"0 of {config['search']['num_trials']} search trials" in (workdir / "report.html").read_text()
