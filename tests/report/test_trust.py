import math
import shutil

import numpy as np
import pytest
from report_page import add, change_best, report, with_metrics
from run_files import finished, search_records, write
from scipy import stats

from nas_jax.objectives import Objective


@pytest.mark.parametrize(
    ("baseline", "verdict", "lead"),
    [
        (0.68, "better than {}, beyond the noise (p = 0.031)", "+2.00 (+0.19 to +3.81)"),
        (0.695, "better than {}, but within the noise (p = 0.59)", "+0.50 (\N{MINUS SIGN}1.30 to +2.30)"),
        (0.75, "worse than {}, beyond the noise (p < 0.001)", "\N{MINUS SIGN}5.00 (\N{MINUS SIGN}6.75 to"),
        (0.7, "as good as {}", "0.00 (\N{MINUS SIGN}1.80 to +1.80)"),
    ],
)
def test_baseline_is_compared_with_the_noise(complete, baseline, verdict, lead):
    change_best(complete, baselines={"baseline": {"trial": 45, "val_accuracy": baseline, "test_accuracy": 0.66}})
    page = report(complete)
    text = page.text("real")
    assert f"In val_accuracy the winner is {verdict.format('the best of the search')}." in text
    winner, theirs = page.rows("real")
    assert winner[2:4] == [f"70.00 % ± {100 * math.sqrt(0.7 * 0.3 / 5000):.2f} %", ""]
    assert theirs[3].startswith(lead)
    assert "Validation accuracy: two proportions, of 5,000 examples each" in text
    assert "leaves out the luck of the training seed" in text
    # On the test split 0.69 and 0.66 of 10,000: three points, of which the standard error is 0.66.
    assert "it is better than the best of the search, beyond the noise" in text
    assert theirs[4:6] == ["66.00 % ± 0.47 %", "+3.00 (+1.70 to +4.30)"]


def test_scores_of_the_same_test_examples_are_compared_in_pairs(complete):
    """The networks differ in 20 of 1,000 examples, 15 to 5: of pairs that is real, of proportions it would not be."""
    ours, theirs = np.ones((1, 1000)), np.ones((1, 1000))
    theirs[0, :15], ours[0, 15:20] = 0, 0
    known = {"trial": 45, "val_accuracy": 0.68, "test_accuracy": theirs.mean()}
    change_best(complete, test_accuracy=ours.mean(), num_test=1000, baselines={"baseline": known})
    pairs = stats.ttest_rel(ours[0], theirs[0])
    page = report(complete, test_scores={41: ours, 45: theirs})
    assert "it is better than the best of the search, beyond the noise (p = 0.025)" in page.text("real")
    low, high = pairs.confidence_interval()
    assert page.rows("real")[1][5] == f"+1.00 (+{100 * low:.2f} to +{100 * high:.2f})"
    assert "Test accuracy: t in pairs over 1,000 examples" in page.text("real")
    assert report(complete).rows("real")[1][5].startswith("+1.00 (")
    assert report(complete).rows("real")[1][5] != page.rows("real")[1][5]


def test_scores_that_are_no_metric_are_called_scores(regression):
    """As of a regression: the metric is a root mean square, the score of an example minus its squared error."""
    rng = np.random.default_rng(0)
    errors = {id: rng.normal(0, spread, (1, 500)) for id, spread in ((41, 1.0), (45, 1.2))}
    rmse = {id: float(np.sqrt(np.mean(each**2))) for id, each in errors.items()}
    known = {"trial": 45, "val_rmse": 1.2, "test_rmse": rmse[45]}
    change_best(regression, test_rmse=rmse[41], baselines={"baseline": known})
    scores = {id: -(each**2) for id, each in errors.items()}
    page = report(regression, Objective("val_rmse", maximize=False), test_scores=scores)
    text, lead = page.text("real"), page.rows("real")[1][5]
    assert lead.startswith(f"+{rmse[45] - rmse[41]:.4g} (scores +")
    assert "Intervals named scores are of the task's score of an example" in text
    assert "A lead in test_rmse is by how much less the winner has." in text


def test_several_baselines_are_told_apart(complete):
    add(complete, finished(46, [2, 2, 2, 2], 0.5, "random"), finished(47, [3, 3, 3, 3], 0.72, "reference"))
    known = {
        "baseline": {"trial": 41, "val_accuracy": 0.70, "test_accuracy": 0.69},
        "random": {"trial": 46, "val_accuracy": 0.5, "test_accuracy": 0.5},
        "reference": {"trial": 47, "val_accuracy": 0.72, "test_accuracy": 0.685},
    }
    change_best(complete, baselines=known)
    page = report(complete)
    text = page.text("real")
    assert "The best of the search is the winner itself." in text
    assert (
        "In val_accuracy the winner is better than the best of its random trials, beyond the noise (p < 0.001); worse "
        "than the reference network, beyond the noise (p = 0.028)." in text
    )
    assert (
        "it is better than the best of its random trials, beyond the noise (p < 0.001); better than the reference "
        "network, but within" in text
    )
    names = ["winner", "best of its random trials", "reference network"]
    assert [row[:2] for row in page.rows("real")] == [
        [name, description]
        for name, description in zip(names, ["conv 8-8-8-2", "conv 2-2-2-2", "conv 3-3-3-3"], strict=True)
    ]


def test_a_baseline_may_win(complete):
    add(complete, finished(45, [1, 2, 3, 4], 0.75, "baseline"))
    shutil.rmtree(complete / "best")
    page = report(complete)
    assert "Trial 45 (baseline)" in page.text("answer")
    assert "conv 1-2-3-4" in page.text("answer")
    assert page.rows("finalists")[0][:2] == ["winner", "conv 1-2-3-4"]
    assert "none of the 5 finalists but the best of the search" in page.text("finalists")


def test_before_the_export_baselines_are_those_that_have_been_measured(complete):
    shutil.rmtree(complete / "best")
    page = report(complete)
    assert [row[0] for row in page.rows("real")] == ["winner", "best of the search"]
    assert "On the test split" not in page.text("real")


def test_seeds_count_in_the_noise(complete):
    ours, theirs, tested = [0.69, 0.71, 0.70], [0.65, 0.67, 0.66], [0.68, 0.70, 0.69]
    seeds = {"val_accuracy_std_error": 0.02, "val_accuracy_per_seed": ours, "seeds": [1, 2, 3]}
    change_best(
        complete,
        **seeds,
        **{"test_accuracy_std_error": 0.01, "test_accuracy_per_seed": tested},
        baselines={"baseline": {"trial": 45, "val_accuracy": 0.66, "val_accuracy_per_seed": theirs}},
    )
    add(complete, with_metrics(finished(41, [8, 8, 8, 2], 0.70, "final"), **seeds))
    page = report(complete)
    both = math.hypot(0.02, math.sqrt(0.7 * 0.3 / 5000))
    value, note = page.facts["Validation accuracy"]
    assert value == f"70.00 % ± {100 * both:.2f} %"
    assert "mean of 3 seeds: 69.00 %, 71.00 %, 70.00 %" in note
    assert "mean of 3 seeds: 68.00 %, 70.00 %, 69.00 %" in page.facts["Test accuracy"][1]
    welch = stats.ttest_ind(ours, theirs, equal_var=False)
    low, high = welch.confidence_interval()
    assert page.rows("real")[1][3] == f"+4.00 (+{100 * low:.2f} to +{100 * high:.2f})"
    text = page.text("real")
    assert f"better than the best of the search, beyond the noise (p = {welch.pvalue:.2g})" in text
    assert "Validation accuracy: Welch's t over 3 and 3 training seeds, on these very examples" in text
    assert "by the choice of examples and training seeds" in text
    assert "luck of the training seed" not in text
    assert page.rows("finalists")[0][4] == "70.00 % ± 2.00 %"


def test_a_winner_that_the_search_had_found_has_no_baseline(tmp_path):
    final = finished(6, [8, 8, 8, 8], 0.7, "final")
    records = [*search_records(5), finished(5, [8, 8, 8, 8], 0.69), final]
    assert "the winner is the best trial of the search itself" in report(write(tmp_path, records)).text("real")


def test_a_metric_that_is_named_like_a_field_of_the_file_is_compared_as_a_metric(tmp_path):
    """Beside the costs of the networks the file has that of the search, 40, and the ids of the trials."""
    networks = {40: "final", 41: "baseline"}
    records = [with_metrics(record, cost=float(record["id"])) for record in search_records(40)]
    records += [with_metrics(finished(id, [id] * 4, 0.7, stage), cost=0.5 * id) for id, stage in networks.items()]
    baselines = {"baseline": {**records[41]["metrics"], "trial": 41}}
    best = {**records[40]["metrics"], "trial": 40, "cost": 40.0, "metrics": {"cost": 20.0}, "baselines": baselines}
    page = report(write(tmp_path, records, best=best), Objective("cost", maximize=False))
    assert "In cost the winner is better than the best of the search" in page.text("real")
    assert [row[1:4] for row in page.rows("real")] == [
        ["conv 40-40-40-40", "20", ""],
        ["conv 41-41-41-41", "20.5", "+0.5"],
    ]
