"""The section on a front: its points, what breaks a constraint, and how random search would have grown."""

import re

import numpy as np
import pytest
from report_page import add, report, subject
from run_files import CONFIG, failed, finished, write

from nas_jax.constraints import Constraint
from nas_jax.fronts import hypervolume
from nas_jax.objectives import Objective
from nas_jax.report import tradeoff
from nas_jax.report.tradeoff import random_growth

BOTH = (Objective(), Objective("num_params", maximize=False))


@pytest.fixture
def workdir(tmp_path):
    """Three points of a front, (0.9, 30 k), (0.8, 20 k) and (0.6, 8 k), and two that are dominated."""
    known = {0: 0.9, 1: 0.8, 2: 0.6, 3: 0.7, 4: 0.5}
    genomes = {0: [9, 9, 9, 3], 1: [8, 8, 3, 1], 2: [2, 2, 2, 2], 3: [9, 9, 9, 2], 4: [2, 2, 2, 3]}
    return write(tmp_path / "run", [finished(id, genomes[id], known[id]) for id in known])


def points_of(workdir):
    html = (workdir / "report.html").read_text()
    return re.findall(r'<a class="point" href="#([^"]+)" aria-label="([^"]+)">', html)


def test_every_point_of_the_front_can_be_pointed_at_and_says_what_it_is(workdir):
    page = report(workdir, *BOTH)
    points = points_of(workdir)
    assert len(points) == 3
    assert all(id in page.ids for id, _ in points)
    assert "validation accuracy 60.00 %" in points[0][1]  # by the horizontal axis
    assert "num params 8,000" in points[0][1]
    assert "conv 2-2-2-2" in points[0][1]
    assert [row[0] for row in page.rows("front")] == ["0", "1", "2"]
    assert "3 points that no other one beats." in page.text("front")


def test_what_breaks_a_constraint_is_counted_and_is_no_point(workdir):
    page = report(workdir, *BOTH, constraints=(Constraint("num_params", at_most=25_000),))
    assert [row[0] for row in page.rows("front")] == ["1", "2"]
    assert "2 points that no other one beats and that keep num_params <= 25,000; 2 of 5 trials do not." in page.text(
        "front"
    )
    assert len(points_of(workdir)) == 2


def test_one_objective_without_constraints_has_no_such_section(workdir):
    report(workdir)
    assert 'id="front"' not in (workdir / "report.html").read_text()


def test_names_are_text_wherever_they_stand(tmp_path):
    nasty = finished(0, [1, 1, 1, 1], 0.5, description='"><script>alert(1)</script>')
    workdir = write(tmp_path / "run", [nasty], CONFIG)
    add(workdir, finished(1, [9, 1, 1, 1], 0.6))
    report(workdir, *BOTH)
    assert "<script" not in (workdir / "report.html").read_text()


def test_random_search_grows_as_draws_do():
    values, reference = np.random.default_rng(0).uniform(size=(6, 2)), np.zeros(2)
    knots, expected = random_growth(values, reference, 40)
    single = np.mean([hypervolume(row[None], reference) for row in values])
    assert knots[0] == 1
    assert expected[0] == pytest.approx(single, rel=0.25)
    assert (np.diff(expected) >= -1e-12).all()
    assert expected[-1] == pytest.approx(hypervolume(values, reference), rel=0.02)
    assert len(random_growth(values[:4], reference, 10)[0]) == 0


def curves_of(run, constraints=()):
    (picture,) = tradeoff.section(subject(run, *BOTH, constraints=constraints, num_random=20)).pictures
    (axes,) = picture.figure.axes
    return {line.get_label(): line.get_ydata() for line in axes.lines}, picture.caption


def test_random_trials_that_bring_nothing_are_draws_as_well(tmp_path):
    records = [finished(id, [1 + id, 1, 1, 1], 0.5 + id / 100) for id in range(6)]
    alone, _ = curves_of(write(tmp_path / "alone", records))
    lost = [failed(6, "out of memory"), failed(7, "out of memory")]
    among, caption = curves_of(write(tmp_path / "among", [*records, *lost]))
    assert "from the 8 trials that are known to be random" in caption
    assert among["random search"][0] < alone["random search"][0]


def test_parts_of_trainings_do_not_stand_for_random_search(tmp_path):
    records = [finished(id, [1 + id, 1, 1, 1], 0.5 + id / 100, budget={"epochs": 1}) for id in range(8)]
    records.append(finished(8, [8, 1, 1, 1], 0.7, budget={"epochs": 3}, continues=7))
    curves, caption = curves_of(write(tmp_path / "run", records))
    assert list(curves) == ["this search"]
    assert "Random search" not in caption


def test_the_best_keeps_the_constraints_everywhere(workdir):
    page = report(workdir, constraints=(Constraint("num_params", at_most=25_000),))
    best = "The best of 3 scores that keep num_params <= 25,000 is 80.00 %, found by trial 1, after 2 of 5."
    assert best in page.text("progress")
    assert "The best trial of the search is trial 1" in page.text("answer")


def test_where_nothing_is_feasible_the_page_says_so(workdir):
    add(workdir, finished(9, [5, 5, 5, 5], 0.7, "final"))
    page = report(workdir, constraints=(Constraint("num_params", at_most=10),))
    for id in ("answer", "progress"):
        assert "None of the 5 trials that have a score keeps num_params <= 10" in page.text(id)
    assert "of the finalists, none of the 1 trials that have a score keeps num_params <= 10" in page.text("real")
