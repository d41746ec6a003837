"""Assessments of predictions, and the rounds in their file."""

import json

import numpy as np
import pytest
from scipy.stats import kendalltau, norm, spearmanr

from nas_jax.assessment import assess
from nas_jax.objectives import Objective
from nas_jax.search.diagnostics import record_round
from nas_jax.strategies.base import Proposal
from nas_jax.trial import Prediction, Trial


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
            prediction=Prediction(mean[i], std[i]),
        )
        for i in range(num)
    ]
    return trials, mean, std, -loss


def test_an_assessment_is_scipy_s_of_scores():
    trials, mean, std, scores = _trials()
    unpredicted = Trial(99, (99,), "", "search", 0, "finished", {"val_loss": 1e6})
    failed = Trial(98, (98,), "", "search", 0, "failed", prediction=Prediction(0.0, 1.0))
    found = assess([*trials, unpredicted, failed], Objective("val_loss", maximize=False))
    assert found.num_predicted == 20
    assert found.tau == pytest.approx(kendalltau(mean, scores).statistic)
    assert found.rho == pytest.approx(spearmanr(mean, scores).statistic)
    assert found.log_density == pytest.approx(norm.logpdf(scores, mean, std).mean(), rel=1e-5)
    assert found.coverage == pytest.approx(np.mean(np.abs(scores - mean) < 1.96 * std))


def test_two_predictions_say_nothing():
    assert assess(_trials(2)[0], Objective("val_loss", maximize=False)) is None


def test_rounds_are_lines_of_json_without_nan(tmp_path):
    path = tmp_path / "diagnostics.jsonl"
    objective = Objective("val_loss", maximize=False)
    constant = [Trial(**{**vars(trial), "prediction": Prediction(0.0, 1.0)}) for trial in _trials()[0]]
    record_round(path, 0, [Proposal((1,))], 0.12345678, None)
    record_round(path, 1, [Proposal((2,), None, {"value": -1.5})], 0.5, assess(constant, objective))
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {"position": 0, "seconds": 0.1235, "proposals": [{}], "assessment": None}
    assert second["proposals"] == [{"value": -1.5}]
    assert second["assessment"]["tau"] is None  # no ranks among equal predictions
    assert "NaN" not in path.read_text()
