"""Assessments of predictions, and the rounds in their file."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau, norm, spearmanr

from nas_jax.assessment import assess
from nas_jax.diagnostics import Diagnostics
from nas_jax.listeners import Listener, Round
from nas_jax.objectives import Objective, Objectives
from nas_jax.report.rounds import read_rounds
from nas_jax.strategies.base import Proposal
from nas_jax.trial import Budget, Prediction, Trial

LOSS = Objectives((Objective("val_loss", maximize=False),))


def _trials(num=20):
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=num), rng.uniform(0.5, 1.5, num)
    loss = -(mean + std * rng.normal(size=num))  # smaller is better
    trials = [
        Trial(
            i,
            (i,),
            str(i),
            "search",
            0,
            "finished",
            {"val_loss": float(loss[i])},
            predictions=(Prediction(mean[i], std[i]),),
        )
        for i in range(num)
    ]
    return trials, mean, std, -loss


def test_an_assessment_is_scipy_s_of_values():
    trials, mean, std, values = _trials()
    unpredicted = Trial(99, (99,), "", "search", 0, "finished", {"val_loss": 1e6})
    failed = Trial(98, (98,), "", "search", 0, "failed", predictions=(Prediction(0.0, 1.0),))
    found = assess([*trials, unpredicted, failed], LOSS)["val_loss"]
    assert found.num_predicted == 20
    assert found.tau == pytest.approx(kendalltau(mean, values).statistic)
    assert found.rho == pytest.approx(spearmanr(mean, values).statistic)
    assert found.log_density == pytest.approx(norm.logpdf(values, mean, std).mean())
    assert found.coverage == pytest.approx(np.mean(np.abs(values - mean) < 1.96 * std))


def test_each_objective_has_its_own_assessment():
    trials, mean, _, values = _trials()
    both = Objectives((*LOSS, Objective("num_params", maximize=False)))
    sized = [
        replace(
            trial,
            metrics={**trial.metrics, "num_params": 10 + trial.id},
            predictions=(*trial.predictions, Prediction(float(-trial.id), 1.0)),
        )
        for trial in trials
    ]
    found = assess(sized, both)
    assert found["val_loss"].tau == pytest.approx(kendalltau(mean, values).statistic)
    assert found["num_params"].tau == pytest.approx(1.0)


def test_losses_that_are_larger_than_any_float32_are_assessed():
    trials, _, _, _ = _trials()
    large = [
        replace(
            trial,
            metrics={"val_loss": 1e290 * trial.metrics["val_loss"]},
            predictions=tuple(Prediction(1e290 * mean, 1e290 * std) for mean, std in trial.predictions),
        )
        for trial in trials
    ]
    found, small = assess(large, LOSS)["val_loss"], assess(trials, LOSS)["val_loss"]
    assert (found.tau, found.coverage) == (small.tau, small.coverage)
    assert found.log_density == pytest.approx(small.log_density - np.log(1e290))


def test_predictions_of_several_budgets_are_not_pooled():
    """Each budget is predicted without any order, and the larger one is the better one."""
    trials, _, _, _ = _trials(16)
    pooled = []
    for trial in trials:
        level = 10.0 * (trial.id < 4)  # four have the larger budget
        pooled.append(
            replace(
                trial,
                budget=Budget(9 if level else 3),
                metrics={"val_loss": -level - (trial.id % 2)},
                predictions=(Prediction(level + (trial.id % 4) // 2, 1.0),),
            )
        )
    found = assess(pooled, LOSS)["val_loss"]
    assert found.num_predicted == 4
    assert found.tau == pytest.approx(0.0)
    values = [-trial.metrics["val_loss"] for trial in pooled]
    assert kendalltau([trial.predictions[0].mean for trial in pooled], values).statistic > 0.4
    assert assess(pooled[2:], LOSS)["val_loss"].num_predicted == 12  # two with the larger one are too few


def test_two_predictions_say_nothing():
    assert assess(_trials(2)[0], LOSS) == {}


def test_rounds_are_lines_of_json_without_nan(tmp_path):
    path = tmp_path / "diagnostics.jsonl"
    constant = [replace(trial, predictions=(Prediction(0.0, 1.0),)) for trial in _trials()[0]]
    diagnostics = Diagnostics(path)
    assert isinstance(diagnostics, Listener)
    diagnostics.round(Round(0, [Proposal((1,))], 0.12345678, {}))
    diagnostics.round(Round(1, [Proposal((2,), details={"value": -1.5})], 0.5, assess(constant, LOSS)))
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {"position": 0, "seconds": 0.1235, "proposals": [{}], "assessments": {}}
    assert second["proposals"] == [{"value": -1.5}]
    assert second["assessments"]["val_loss"]["tau"] is None  # no ranks among equal predictions
    assert "NaN" not in path.read_text()


def test_a_torn_line_is_passed_over_and_ends_before_the_next_one(tmp_path):
    path = tmp_path / "diagnostics.jsonl"
    Diagnostics(path).round(Round(0, [], 1.0, {}))
    with path.open("a") as file:
        file.write('{"position": 1, "sec')
    Diagnostics(path).round(Round(2, [], 3.0, {}))
    assert [(each.position, each.seconds) for each in read_rounds(path)] == [(0, 1.0), (2, 3.0)]
