import jax
import numpy as np
import pytest
from report_page import LeastSquares, report
from run_files import CONFIG, failed, search_records, write
from scipy import stats

from nas_jax.surrogates.validation import cross_validate


def test_cross_validated_measures_agree_with_scipy(complete):
    values = dict(report(complete).rows("surrogate"))
    records = list(search_records(40))
    y = np.array([record["metrics"]["val_accuracy"] for record in records])
    x = np.array([record["genome"] for record in records], np.float32)
    posterior = cross_validate(LeastSquares(), jax.random.key(CONFIG["seed"]), x, y, num_folds=10)
    assert values["trials"] == "40"
    check_measures(values, *(np.asarray(part, np.float64) for part in posterior), y)


def test_predictions_in_advance_are_judged_apart(tmp_path):
    """The first ten trials were not predicted, and one of those that were has failed."""
    rng = np.random.default_rng(1)
    y = np.array([record["metrics"]["val_accuracy"] for record in search_records(30)])
    mean, std = y + rng.normal(0, 0.02, 30), rng.uniform(0.01, 0.03, 30)
    records = [
        record | {"prediction": {"mean": mean[id], "std": std[id]} if id >= 10 else None}
        for id, record in enumerate(search_records(30))
    ]
    records.append(failed(30, "no", prediction={"mean": 0.5, "std": 0.1}))
    page = report(write(tmp_path, records))
    values = dict(page.rows("surrogate", 0))
    assert values["trials"] == "20"
    check_measures(values, mean[10:], std[10:], y[10:])
    assert dict(page.rows("surrogate", 1))["trials"] == "30"


def check_measures(values, mean, std, y):
    assert float(values["Kendall's tau"]) == pytest.approx(stats.kendalltau(mean, y).statistic, abs=6e-4)
    assert float(values["Spearman's rho"]) == pytest.approx(stats.spearmanr(mean, y).statistic, abs=6e-4)
    error = 100 * np.sqrt(np.mean((mean - y) ** 2))
    assert float(values["root mean squared error"].split()[0]) == pytest.approx(error, abs=6e-3)
    inside = 100 * np.mean(np.abs(mean - y) < stats.norm.ppf(0.975) * std)
    assert float(values["coverage of the 95 % intervals"].split()[0]) == pytest.approx(inside, abs=0.06)
    density = stats.norm.logpdf(y, mean, std).mean()
    assert float(values["mean log density"].split()[0]) == pytest.approx(density, abs=6e-3)


def test_many_trials_are_judged_by_a_sample(tmp_path):
    config = CONFIG | {"search": {"num_trials": 300}}
    page = report(write(tmp_path, search_records(300), config))
    assert dict(page.rows("surrogate"))["trials"] == "200"
    assert "with 200 trials drawn from the 300" in page.text("surrogate")
