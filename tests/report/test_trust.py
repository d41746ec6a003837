import math
import shutil

import pytest
from report_page import add, change_best, report, with_metrics
from run_files import finished, search_records, write


@pytest.mark.parametrize(
    ("baseline", "verdict", "lead"),
    [
        (0.68, "better than {}, beyond the noise", "+2.00"),
        (0.695, "better than {}, but within the noise", "+0.50"),
        (0.75, "worse than {}, beyond the noise", "\N{MINUS SIGN}5.00"),
        (0.7, "as good as {}", "0.00"),
    ],
)
def test_baseline_is_compared_with_the_noise(complete, baseline, verdict, lead):
    change_best(complete, baselines={"baseline": {"trial": 45, "val_accuracy": baseline, "test_accuracy": 0.66}})
    page = report(complete)
    text = page.text("real")
    # Two standard errors of the difference of two proportions near 0.7 with n = 5000 are about 1.8 points.
    assert f"In val_accuracy the winner is {verdict.format('the best of the search')}." in text
    noise = 200 * math.sqrt((0.7 * 0.3 + baseline * (1 - baseline)) / 5000)
    assert 1.7 < noise < 1.9
    winner, theirs = page.rows("real")
    assert winner[2:4] == [f"70.00 % ± {100 * math.sqrt(0.7 * 0.3 / 5000):.2f} %", ""]
    assert theirs[3] == f"{lead} (noise {noise:.2f})"
    assert "by the choice of examples; the noise" in text
    assert "leaves out the luck of the training seed" in text
    # On the test split 0.69 and 0.66 of 10,000: three points, where two standard errors are 1.3.
    assert "it is better than the best of the search, beyond the noise." in text
    assert theirs[4:6] == ["66.00 % ± 0.47 %", "+3.00 (noise 1.32)"]


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
        "In val_accuracy the winner is better than the best of its random trials, beyond the noise; worse than the "
        "reference network, beyond the noise." in text
    )
    assert (
        "it is better than the best of its random trials, beyond the noise; better than the reference network, but"
        in text
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
    seeds = {"val_accuracy_std_error": 0.02, "val_accuracy_per_seed": [0.68, 0.72], "seeds": [1, 2]}
    change_best(
        complete,
        **seeds,
        **{"test_accuracy_std_error": 0.01, "test_accuracy_per_seed": [0.68, 0.70]},
        baselines={"baseline": {"trial": 45, "val_accuracy": 0.66, "val_accuracy_std_error": 0.01}},
    )
    add(complete, with_metrics(finished(41, [8, 8, 8, 2], 0.70, "final"), **seeds))
    page = report(complete)
    both = math.hypot(0.02, math.sqrt(0.7 * 0.3 / 5000))
    value, note = page.facts["Validation accuracy"]
    assert value == f"70.00 % ± {100 * both:.2f} %"
    assert "mean of 2 seeds: 68.00 %, 72.00 %" in note
    assert "mean of 2 seeds: 68.00 %, 70.00 %" in page.facts["Test accuracy"][1]
    noise = math.sqrt(0.02**2 + 0.01**2 + 0.7 * 0.3 / 5000 + 0.66 * 0.34 / 5000)
    assert page.rows("real")[1][3] == f"+4.00 (noise {200 * noise:.2f})"
    text = page.text("real")
    assert "better than the best of the search, but within the noise" in text
    assert "by the choice of examples and training seeds" in text
    assert "luck of the training seed" not in text
    assert page.rows("finalists")[0][4] == "70.00 % ± 2.00 %"


def test_a_winner_that_the_search_had_found_has_no_baseline(tmp_path):
    final = finished(6, [8, 8, 8, 8], 0.7, "final")
    records = [*search_records(5), finished(5, [8, 8, 8, 8], 0.69), final]
    assert "the winner is the best trial of the search itself" in report(write(tmp_path, records)).text("real")
