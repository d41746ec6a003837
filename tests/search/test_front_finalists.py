"""Finalists of a front, the files that say what it is, and the choice of the winner."""

import csv
import itertools
from dataclasses import replace

import numpy as np
import pytest
from fakes import Numbers
from made_runs import make_parts, make_run

from nas_jax.best_file import metrics_of, read_best
from nas_jax.constraints import Constraint
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Measurement, evaluate_serially, ignore
from nas_jax.objectives import Objective, Objectives
from nas_jax.search.finalists import choose_winner, pick_finalists, train_finalists
from nas_jax.search.front_finalists import _cover
from nas_jax.search.fronts import measured_alike
from nas_jax.search.loop import search
from nas_jax.search.winner import export_winner
from nas_jax.settings import FinalistSettings
from nas_jax.store import TrialStore
from nas_jax.trial import Budget, Trial

BOTH = Objectives((Objective(), Objective("cost", maximize=False)))


class Pairs:
    """Number i gives i, and costs i² but for even numbers, which cost 2,500 more: half of all are on the front."""

    metric_names = ("val_accuracy", "cost")

    def measure(self, trial, report=ignore):
        (i,) = trial.genome
        return Measurement({"val_accuracy": float(i), "cost": float(i**2 + 2500 * (i % 2 == 0))}, {"train": 0.0})

    def evaluate(self, requests, report=ignore):
        return evaluate_serially(self.measure, requests, report)


def finished(tmp_path, objectives=BOTH, num_finalists=5):
    finals = FinalistSettings(20, num_finalists, max_doublings=0)
    run = make_run(TrialStore(), evaluator=Pairs(), objectives=objectives, finals=finals, space=Numbers(num=40))
    run = replace(run, workdir=tmp_path)
    search(run)
    train_finalists(run)
    return run


def test_finalists_spread_over_the_front(tmp_path):
    run = finished(tmp_path)
    numbers = sorted(trial.genome[0] for trial in run.store.trials("final"))
    assert len(numbers) == 5
    assert len(set(numbers)) == 5
    assert np.ptp(numbers) > 8  # of 40; five in a row would have 4
    assert all(len(trial.predictions) == 2 for trial in run.store.trials("final"))


def test_a_trial_with_the_full_budget_is_measured_alike_to_a_finalist(tmp_path):
    """In a table with a curve, where the search's budget is a number and the finalists' is none."""
    run = finished(tmp_path, num_finalists=2)
    trials = [replace(trial, budget=Budget(1) if trial.stage == "search" else None) for trial in run.store.trials()]
    measured = {trial.genome: (trial.metrics["val_accuracy"], -trial.metrics["cost"]) for trial in trials}
    best = {
        genome
        for genome, (x, y) in measured.items()
        if not any((a >= x and b >= y) and (a, b) != (x, y) for a, b in measured.values())
    }
    assert len(best) > 2
    assert {trial.genome for trial in BOTH.front(measured_alike(run.parts, trials))} == best
    short = [replace(trial, budget=Budget(0)) if trial.stage == "search" else trial for trial in trials]
    assert {trial.stage for trial in BOTH.front(measured_alike(run.parts, short))} <= {"final", "random", "baseline"}


def test_files_say_what_the_front_and_its_volume_are(tmp_path):
    run = finished(tmp_path)
    with (tmp_path / "front.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    measured = {trial.id: trial for trial in run.store.trials()}
    assert all(measured[int(row["trial"])].description == row["description"] for row in rows)
    pairs = [(float(row["val_accuracy"]), float(row["cost"])) for row in rows]
    assert pairs == sorted(pairs, reverse=True)
    assert all(first[1] > second[1] for first, second in itertools.pairwise(pairs))
    with (tmp_path / "hypervolume.csv").open(newline="") as file:
        volumes = [float(row["hypervolume"]) for row in csv.DictReader(file)]
    assert len(volumes) == 12
    assert volumes == sorted(volumes)
    assert volumes[-1] > 0


def test_no_finalist_is_expected_to_be_infeasible_while_others_are_not(tmp_path):
    run = finished(tmp_path, replace(BOTH, constraints=(Constraint("cost", at_most=2000),)))
    tried = {trial.genome: trial for trial in run.store.trials("search")}
    known = [tried[trial.genome] for trial in run.store.trials("final") if trial.genome in tried]
    assert known
    assert all(trial.metrics["cost"] <= 2000 for trial in known)


def test_the_winner_is_the_point_that_the_rule_names(tmp_path):
    contenders = finished(tmp_path).store.trials("final")
    best = choose_winner(BOTH, contenders, "max val_accuracy")
    assert best.metrics["val_accuracy"] == max(trial.metrics["val_accuracy"] for trial in contenders)
    cheap = choose_winner(BOTH, contenders, "min cost")
    assert cheap.metrics["cost"] == min(trial.metrics["cost"] for trial in contenders)


def test_where_no_finalist_is_feasible_nothing_wins(tmp_path):
    contenders = finished(tmp_path).store.trials("final")
    with pytest.raises(UserError, match="none of the 5 finalists keeps cost <= -1"):
        choose_winner(replace(BOTH, constraints=(Constraint("cost", at_most=-1),)), contenders)


def test_a_choice_that_is_no_rule_is_refused():
    with pytest.raises(ValueError, match="is no rule to choose by"):
        FinalistSettings(choice="the best")


def test_with_budgets_a_front_of_finalists_is_of_one_budget_and_each_genome_once():
    def trial(id, number, epochs, flattery=0.0):
        metrics = {"val_accuracy": number + flattery, "cost": float(number**2)}
        return Trial(id, (number,), str(number), "search", 0, "finished", metrics, budget=Budget(epochs))

    trials = [trial(id, id, 1, flattery=100.0) for id in range(20)]
    trials += [trial(20 + place, number, 3) for place, number in enumerate(range(0, 20, 2))]
    finals = FinalistSettings(5, 5, max_doublings=0)
    picked = pick_finalists(make_parts(Numbers(num=40), objectives=BOTH, finals=finals), trials)
    assert len({proposal.genome for proposal in picked}) == 5
    assert max(proposal.predictions[0].mean for proposal in picked) < 60


def test_a_rule_that_no_point_meets_leaves_the_front(tmp_path):
    run = finished(tmp_path)
    config = {"space": {"name": "numbers"}}
    impossible = replace(run, config=config, parts=with_choice(run.parts, "at cost <= -1"))
    with pytest.raises(UserError, match="no point of the front has cost <= -1"):
        export_winner(impossible)
    points = sorted(path.name for path in (tmp_path / "front").iterdir())
    assert len(points) > 1
    assert not (tmp_path / "best").exists()
    export_winner(replace(impossible, parts=with_choice(run.parts, "min cost")))
    best = read_best(tmp_path / "best", BOTH.metrics)
    winner = run.store.trial(best["trial"])
    assert metrics_of(best) == winner.metrics
    assert best["cost"] == len(run.store.trials("search"))  # of the search; the winner's own "cost" is apart
    assert winner.metrics["cost"] != best["cost"]
    assert sorted(path.name for path in (tmp_path / "front").iterdir()) == points


def with_choice(parts, choice):
    return parts._replace(finals=parts.finals._replace(settings=replace(parts.finals.settings, choice=choice)))


def test_what_is_feasible_and_below_the_reference_comes_by_its_worth_and_what_is_not_by_how_much_it_breaks():
    means, reference = np.array([[0.1], [0.4], [0.2], [0.3]]), np.array([0.5])
    assert _cover(means, np.array([0.0, -0.2, -0.9, 0.0]), reference, 3) == [1, 3, 2]
    assert _cover(means, np.array([0.3, 0.2, 0.1, 0.2]), reference, 3) == [2, 1, 3]
