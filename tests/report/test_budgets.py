"""A report of a search with rungs: values of different budgets are never mixed, and it says what was stopped."""

import json

import numpy as np
import pytest
from report_page import NUMBERS, add, report, subject
from run_files import finished, search_records, write

from nas_jax.budgets import Budgets
from nas_jax.constraints import Constraint
from nas_jax.objectives import Objective
from nas_jax.record import in_full, is_in_full, read_record
from nas_jax.report import budgets, curves, progress, size, surrogate
from nas_jax.report.curves import last_of_chains, stopped_trials
from nas_jax.report.random_search import random_reference
from nas_jax.units import UNKNOWN

EACH = Budgets(tuple(range(1, 28)))
OBJECTIVE = Objective()


@pytest.fixture
def about(stopped_early):
    return subject(stopped_early, budgets=EACH, num_random=float("inf"))


def test_only_the_largest_budget_is_compared(about):
    assert [trial.budget.epochs for trial in in_full(about.searched)] == [27] * 3
    history = about.history(OBJECTIVE)
    assert len(history.genomes) == len(set(history.genomes)) == 3
    scores = about.scores(OBJECTIVE)
    assert np.flatnonzero(~np.isnan(scores)).tolist() == [36, 37, 38]
    assert about.best_of_search.id == 36 + int(np.nanargmax(scores[36:]))
    assert np.nanmax(scores) < 0.6 < min(trial.metrics["val_accuracy"] for trial in about.searched[:36])


def test_trials_without_a_budget_are_all_compared_and_one_with_a_part_is_not(tmp_path):
    records = list(search_records(5))
    assert all(is_in_full(read_record(write(tmp_path / "a", records)).trials))
    records[2]["budget"] = {"epochs": 3}
    records.append(finished(5, [1, 1, 1, 1], 0.1, status="failed", budget={"epochs": 3}) | {"metrics": None})
    assert is_in_full(read_record(write(tmp_path / "b", records)).trials) == [True, True, False, True, True, True]


def test_chains_are_one_architecture(about):
    last = last_of_chains(about.searched)
    assert len(last) == len({trial.genome for trial in last}) == 27
    assert sorted(trial.budget.epochs for trial in stopped_trials(about.searched)) == [3] * 18 + [9] * 6
    assert all(len(trial.metrics["curve"]["val_accuracy"]) == trial.budget.epochs for trial in last)


def test_the_rungs_are_counted_and_their_cost_is_that_of_the_epochs(about):
    made = budgets.section(about)
    rungs, stopped = made.tables
    num_epochs = 27 * 3 + 9 * 6 + 3 * 18
    assert [row[:5] for row in rungs.rows] == [
        ("3", "27", "9", "18", "0"),
        ("9", "9", "3", "6", "0"),
        ("27", "3", "0", "3", "0"),
    ]
    assert sum(float(row[5]) for row in rungs.rows) == pytest.approx(num_epochs / 27)
    assert (
        f"27 architectures were begun and 3 measured in full, at the cost of {num_epochs / 27:.1f} full" in made.verdict
    )
    assert f"{1 - num_epochs / 27 / 27:.0%} was saved" in made.verdict
    assert len(stopped.rows) == 20
    assert stopped.caption.startswith("4 more were stopped")
    assert [row[2] for row in stopped.rows] == ["9"] * 6 + ["3"] * 14


def lines(section):
    (picture,) = section.pictures
    (axes,) = picture.figure.axes
    return [(line.get_color(), line.get_xdata()) for line in axes.lines]


@pytest.mark.parametrize("part", [budgets, curves])
def test_curves_of_what_was_stopped_are_grey_and_each_architecture_has_one(about, part):
    drawn = lines(part.section(about))
    colours = [colour for colour, _ in drawn]
    ends = [epochs[-1] for _, epochs in drawn]
    assert len(drawn) == 27
    assert {colour for colour, end in zip(colours, ends, strict=True) if end < 27}.isdisjoint(
        colour for colour, end in zip(colours, ends, strict=True) if end == 27
    )
    assert sorted(ends) == [3] * 18 + [9] * 6 + [27] * 3


def test_curves_of_a_table_lie_at_its_budgets(about):
    of_table = about_by(about, 200)
    config = {name: section for name, section in about.record.config.items() if name != "data"}
    of_table = type(about)(**{**vars(of_table), "record": about.record._replace(config=config)})
    (figure,) = (picture.figure for picture in budgets.section(of_table).pictures)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "Budget"
    assert max(line.get_xdata()[-1] for line in axes.lines) == 27 * 200


@pytest.mark.parametrize("part", [budgets, curves])
def test_curves_of_trainings_begin_with_the_first_epoch_though_it_is_no_budget(tmp_path, part):
    records = [finished(id, [1 + id, 1, 1, 1], 0.5, budget={"epochs": 3}) for id in range(4)]
    for record in records:
        record["metrics"]["curve"] = {"val_accuracy": [0.1, 0.3, 0.5]}
    made = part.section(subject(write(tmp_path / "run", records), budgets=Budgets(tuple(range(2, 10)))))
    assert {tuple(epochs) for _, epochs in lines(made)} == {(1, 2, 3)}


def about_by(about, step):
    return type(about)(**{**vars(about), "budgets": Budgets(tuple(step * each for each in EACH.each))})


def test_no_other_section_mixes_budgets(about):
    (axes,) = progress.section(about).pictures[0].figure.axes
    heights = np.concatenate([np.ma.filled(each.get_offsets()[:, 1], np.nan) for each in axes.collections])
    assert np.nanmax(heights) < 0.6
    assert "of 3 scores" in progress.section(about).verdict
    (axes,) = size.section(about).pictures[0].figure.axes
    assert max(each.get_offsets()[:, 1].max() for each in axes.collections) < 0.6
    assert "3 search trials have a score with the largest budget" in surrogate.section(about).verdict
    assert random_reference(about, OBJECTIVE) is None


def test_importance_is_asked_of_the_largest_budget_that_enough_trials_had(stopped_early):
    text = report(stopped_early, budgets=EACH, space=NUMBERS).text("importance")
    assert "after 27 trials with a budget of 3." in text


def test_a_finalist_has_the_value_of_the_rung_to_which_the_search_took_it(stopped_early):
    searched = read_record(stopped_early).trials
    stopped, whole = searched[35], searched[38]
    finals = [
        finished(100 + place, list(each.genome), 0.5, stage="final") for place, each in enumerate((stopped, whole))
    ]
    add(stopped_early, *finals, finished(102, [9, 9, 9, 9], 0.4, stage="final"))
    rows = {row[1]: row[3] for row in report(stopped_early, budgets=EACH).rows("finalists")}
    values = [f"{100 * each.metrics['val_accuracy']:.2f} %" for each in (stopped, whole)]
    assert [rows[finals[0]["description"]], rows[finals[1]["description"]]] == [f"{values[0]} (9 of 27)", values[1]]
    assert rows["conv 9-9-9-9"] == UNKNOWN


def test_the_plot_of_a_front_has_no_stopped_trainings(stopped_early):
    page = report(stopped_early, OBJECTIVE, Objective("num_params", maximize=False), budgets=EACH)
    html = (stopped_early / "report.html").read_text()
    assert html.count('class="point"') + html.count('class="tried"') <= 6
    assert "stopped before the largest budget are not drawn" in page.text("front")
    limits = (Constraint("num_params", at_most=1),)
    assert "3 of 3 trials do not" in report(stopped_early, budgets=EACH, constraints=limits).text("front")


def test_a_page_of_a_search_with_rungs_and_one_without(stopped_early, complete):
    page = report(stopped_early, budgets=EACH)
    assert "27 architectures were begun" in page.text("budgets")
    assert "Every search trial had the full budget." in report(complete).text("budgets")


def test_a_search_that_was_killed_within_a_rung(stopped_early):
    path = stopped_early / "trials.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()][:31]
    records[30] |= {"status": "pending", "metrics": None, "seconds": None}
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    text = report(stopped_early, budgets=EACH).text("budgets")
    assert "27 architectures were begun and 0 measured in full" in text


def test_what_diverged_later_is_compared_with_nothing(tmp_path):
    """The only trial with the larger budget went on to fail: the others are compared, and it counts as a failure."""
    records = [finished(id, [id, 1, 1, 1], 0.5 + id / 100, budget={"epochs": 3}) for id in range(1, 5)]
    records.append(finished(5, [4, 1, 1, 1], 0.9, budget={"epochs": 9}, continues=4))
    records.append(finished(6, [4, 1, 1, 1], 0.0, status="failed", budget={"epochs": 27}, continues=5))
    records[-1]["metrics"] = None
    trials = read_record(write(tmp_path / "run", records)).trials
    assert is_in_full(trials) == [True, True, True, False, False, True]
