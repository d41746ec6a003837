import jax
import numpy as np
import pytest
from report_page import Plain, report, subject
from run_files import CONFIG, failed, finished, search_records, write
from scipy import stats

from nas_jax.objectives import Objective
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.validation import cross_validate


def test_cross_validated_measures_agree_with_scipy(complete):
    values = dict(report(complete).rows("surrogate"))
    records = list(search_records(40))
    y = np.array([record["metrics"]["val_accuracy"] for record in records])
    about = subject(complete)
    predicted = about.learner.cross_validate(about.history(Objective()), CONFIG["seed"], num_folds=10)
    assert values["trials"] == "40"
    check_measures(values, *np.array(predicted).T, y)


def test_predictions_in_advance_are_judged_apart(tmp_path):
    """The first ten trials were not predicted, and one of those that were has failed."""
    rng = np.random.default_rng(1)
    y = np.array([record["metrics"]["val_accuracy"] for record in search_records(30)])
    mean, std = y + rng.normal(0, 0.02, 30), rng.uniform(0.01, 0.03, 30)
    records = [
        record | {"predictions": [{"mean": mean[id], "std": std[id]}] if id >= 10 else []}
        for id, record in enumerate(search_records(30))
    ]
    records.append(failed(30, "no", predictions=[{"mean": 0.5, "std": 0.1}]))
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


class WithParameters(Plain):
    """Features as spaces have them: small counts beside a large number."""

    def encode(self, genomes):
        return super().encode(genomes) * np.float32([1, 1, 1, 300])


def test_the_surrogate_that_searched_is_judged(tmp_path):
    """A quarter of the networks are bad: of ranks, on scaled features, much more is learned than of raw numbers.

    The report once gave the raw surrogate no connection with the scores, where that of the search had a tau of 0.45.
    """
    space, surrogate = WithParameters(), GaussianProcess(ard=False, scale_inputs=False, num_starts=1)
    rng = np.random.default_rng(3)
    genomes = space.sample(rng, 60)
    log_error = -np.array([0.5 * a + 0.3 * b - 0.1 * c for a, b, c, _ in genomes]) + rng.normal(0, 0.3, 60)
    accuracy = 1 - 0.5 * np.exp(log_error - log_error.max())
    accuracy = np.where(rng.random(60) < 0.25, rng.uniform(0, 0.1, 60), accuracy)
    records = [finished(id, list(genome), accuracy[id]) for id, genome in enumerate(genomes)]
    about = subject(write(tmp_path, records), surrogate=surrogate, space=space, targets="ranks")
    page = report(tmp_path, surrogate=surrogate, space=space, targets="ranks")
    searched = about.learner.cross_validate(about.history(Objective()), about.seed)
    tau = stats.kendalltau([each.mean for each in searched], accuracy).statistic
    assert dict(page.rows("surrogate"))["Kendall's tau"] == f"{tau:.3f}"
    raw = cross_validate(surrogate, jax.random.key(about.seed), space.encode(genomes), accuracy)
    assert tau > 0.35 > stats.kendalltau(np.asarray(raw.mean), accuracy).statistic + 0.2
