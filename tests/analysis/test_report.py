import json
import math
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.image import imread
from run_files import CONFIG, failed, finished, search_records, write
from scipy import stats

from nas_jax.analysis.report import binomial_error, escape, table, write_report
from nas_jax.errors import UserError
from nas_jax.objective import Objective
from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.validation import cross_validate


class Space:
    def encode(self, genomes):
        return np.array(genomes, np.float32)


class Line(NamedTuple):
    weights: jax.Array
    spread: jax.Array


class LeastSquares:
    """A straight line, and the residuals' spread."""

    def fit(self, key, x, y):
        x = np.c_[np.asarray(x, np.float64), np.ones(len(x))]
        weights = np.linalg.lstsq(x, np.asarray(y, np.float64))[0]
        return Line(jnp.asarray(weights, jnp.float32), jnp.float32(np.std(x @ weights - y)))

    def predict(self, state, x_new, *, with_noise=False):
        mean = jnp.asarray(x_new, jnp.float32) @ state.weights[:-1] + state.weights[-1]
        return Posterior(mean, jnp.full(mean.shape, state.spread))


def report(workdir, objective=None, surrogate=None):
    path = write_report(workdir, Space(), surrogate or LeastSquares(), objective or Objective())
    assert path == workdir / "report.md"
    return path.read_text()


def section(text, name):
    return re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE).group(1)


def cells(text):
    """The rows of the first table, without its header."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_answer_names_the_winner_with_its_errors(complete):
    answer = section(report(complete), "Answer")
    assert "**conv 8-8-8-2**" in answer
    assert "Trial 41 (final)" in answer
    validation = math.sqrt(0.7 * 0.3 / 5000)
    test = math.sqrt(0.69 * 0.31 / 10000)
    assert f"70.00 % ± {100 * validation:.2f} %" in answer
    assert f"69.00 % ± {100 * test:.2f} %" in answer
    assert "Parameters: 26,000; FLOPs: 5,000,000 an image" in answer


def test_finalists_are_in_order_of_measured_accuracy_winner_first(complete):
    rows = cells(section(report(complete), "Finalists"))
    assert [row[0] for row in rows] == ["winner", "", "", "", ""]
    assert [row[4] for row in rows] == ["70.00 %", "66.00 %", "64.00 %", "61.00 %", "failed"]
    assert rows[0][1:4] == ["conv 8-8-8-2", "62.00 % ± 1.50 %", "-"]
    best_of_search = max(record["metrics"]["val_accuracy"] for record in search_records(40))
    assert rows[2][2:4] == ["-", f"{100 * best_of_search:.2f} %"]
    assert rows[0][5:] == ["26,000", "12"]


@pytest.mark.parametrize(
    ("baseline", "verdict", "size"),
    [(0.68, "better", "larger"), (0.695, "better", "not larger"), (0.75, "worse", "larger")],
)
def test_baseline_is_compared_with_the_noise(complete, baseline, verdict, size):
    with (complete / "trials.jsonl").open("a") as log:
        log.write(json.dumps(finished(45, [1, 2, 3, 4], baseline, "baseline")) + "\n")
    text = section(report(complete), "Against the baseline")
    # Two standard errors of the difference of two proportions near 0.7 with n = 5000 are about 1.8 points.
    assert f"the finalist is {verdict} than the baseline." in text
    assert f"{100 * abs(0.7 - baseline):.2f} percentage points, is {size} than two" in text
    assert "On the test split the baseline has 66.00 % ±" in text


def test_surrogate_measures_agree_with_scipy(complete):
    values = dict(cells(section(report(complete), "Surrogate")))
    records = list(search_records(40))
    y = np.array([record["metrics"]["val_accuracy"] for record in records])
    x = np.array([record["genome"] for record in records], np.float32)
    posterior = cross_validate(LeastSquares(), jax.random.key(CONFIG["seed"]), x, y, num_folds=10)
    mean, std = np.asarray(posterior.mean, np.float64), np.asarray(posterior.std, np.float64)
    assert values["trials"] == "40"
    assert float(values["Kendall's tau"]) == pytest.approx(stats.kendalltau(mean, y).statistic, abs=6e-4)
    assert float(values["Spearman's rho"]) == pytest.approx(stats.spearmanr(mean, y).statistic, abs=6e-4)
    error = 100 * np.sqrt(np.mean((mean - y) ** 2))
    assert float(values["root mean squared error"].split()[0]) == pytest.approx(error, abs=6e-3)
    inside = 100 * np.mean(np.abs(mean - y) < stats.norm.ppf(0.975) * std)
    assert float(values["coverage of the 95 % intervals"].split()[0]) == pytest.approx(inside, abs=0.06)


def test_figures_are_there_and_not_blank(complete):
    names = re.findall(r"!\[.*?\]\((.*?)\)", report(complete))
    assert names == ["progress.png", "surrogate.png", "parameters.png"]
    for name in names:
        assert np.ptp(imread(complete / name)[..., :3]) == 1


def test_cost_sums_seconds_by_stage(complete):
    rows = cells(section(report(complete), "Cost"))
    assert rows == [
        ["search", "40", "80.0", "400.0", "480.0"],
        ["final", "5", "8.0", "40.0", "48.0"],
        ["baseline", "1", "2.0", "10.0", "12.0"],
        ["all", "46", "90.0", "450.0", "540.0"],
    ]


def test_settings_can_be_read_back(complete):
    yaml = pytest.importorskip("yaml")
    text = section(report(complete), "Config and environment")
    config, environment = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert yaml.safe_load(config) == CONFIG
    assert yaml.safe_load(environment)["devices"] == ["cpu"]
    assert "```sh\npython -m nas_jax.main --config=a.py\n```" in text


def test_half_finished_run_says_so(tmp_path):
    pending = finished(20, [1, 1, 1, 1], 0.0, status="pending") | {"metrics": None}
    text = report(write(tmp_path / "half", [*search_records(20), failed(21, "nan loss"), pending]))
    assert "has not finished, or was stopped: 20 of 40 search trials finished, 1 failed, 1 were under way" in text
    best = max(search_records(20), key=lambda record: record["metrics"]["val_accuracy"])
    assert f"trial {best['id']} with {100 * best['metrics']['val_accuracy']:.2f} %" in section(text, "Answer")
    assert "Finalists" not in text
    assert "baseline" not in text
    assert "surrogate.png" in text


def test_finalists_without_an_export_have_no_test_accuracy(tmp_path):
    final = finished(20, [8, 8, 8, 8], 0.7, "final")
    answer = section(report(write(tmp_path / "run", [*search_records(20), final])), "Answer")
    assert "nothing has been exported" in answer
    assert "Validation accuracy: 70.00 % ± 0.65 % (one standard error, 5,000 examples)." in answer
    assert "Test accuracy: -." in answer


def test_all_failed_run_counts_the_reasons(tmp_path):
    records = [failed(id, "out of memory" if id < 7 else "loss is nan") for id in range(10)]
    text = report(write(tmp_path / "failed", records))
    assert "Every trial of this run has failed so far: 0 of 40" in text
    assert "nothing to choose from" in section(text, "Answer")
    assert cells(section(text, "Failures")) == [["7", "out of memory"], ["3", "loss is nan"]]
    assert "0 search trials have a score" in section(text, "Surrogate")
    assert ".png" not in text


def test_a_metric_that_is_not_finite_is_a_failure(tmp_path):
    text = report(write(tmp_path / "run", [*search_records(6), finished(6, [1, 1, 1, 1], math.nan)]))
    assert cells(section(text, "Failures")) == [["1", r"val\_accuracy is not finite"]]
    assert dict(cells(section(text, "Surrogate")))["trials"] == "6"


@pytest.mark.parametrize("has_log", [True, False])
def test_run_without_trials(tmp_path, has_log):
    workdir = write(tmp_path / "empty", [])
    if not has_log:
        (workdir / "trials.jsonl").unlink()
    assert "0 of 40 search trials finished" in report(workdir)


def test_surrogate_needs_some_trials(tmp_path):
    text = report(write(tmp_path / "short", search_records(4)))
    assert "4 search trials have a score, 5 are needed" in section(text, "Surrogate")


def test_scores_that_are_all_equal_have_no_rank_correlation(tmp_path):
    records = [finished(id, [id, 1, 1, 1], 0.5) for id in range(6)]
    text = report(write(tmp_path / "flat", records), surrogate=GaussianProcess(num_starts=1))
    assert dict(cells(section(text, "Surrogate")))["Kendall's tau"] == "nan"


def test_loss_as_objective_is_printed_as_a_loss(complete):
    text = report(complete, Objective("val_loss", maximize=False))
    rows = cells(section(text, "Finalists"))
    assert [row[4] for row in rows] == ["1.3", "1.34", "1.36", "1.39", "failed"]
    assert "%" not in dict(cells(section(text, "Surrogate")))["root mean squared error"]


def test_text_of_the_data_cannot_break_the_page(tmp_path):
    nasty = "a|b\n## c <script> `d` *e* [f](g) \\"
    records = [*search_records(6), finished(6, [1, 2, 3, 4], 0.7, "final", description=nasty), failed(7, nasty)]
    text = report(write(tmp_path / "run", records))
    escaped = r"a\|b ## c &lt;script&gt; \`d\` \*e\* \[f\](g) \\"
    assert cells(section(text, "Finalists"))[0][1] == escaped
    assert cells(section(text, "Failures")) == [["1", escaped]]
    assert f"**{escaped}**" in text
    assert "<script>" not in text


def test_tables_have_as_many_cells_in_each_row():
    lines = table(("x", "y"), [("1|2", "3"), ("4", "5\n6")]).splitlines()
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [3, 3, 3, 3]


def test_escape_leaves_plain_text_alone():
    assert escape("conv 3x3 (64), fc-256 + relu: 1.5 %") == "conv 3x3 (64), fc-256 + relu: 1.5 %"


def test_binomial_error_is_that_of_simulated_accuracies():
    correct = np.random.default_rng(0).binomial(1000, 0.7, 20_000) / 1000
    assert binomial_error(0.7, 1000) == pytest.approx(np.std(correct), rel=0.02)


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json"):
        report(tmp_path)


def test_command_rebuilds_the_parts_from_the_config(tmp_path):
    quickstart = runpy.run_path(str(Path(__file__).parents[2] / "configs" / "quickstart.py"))
    config = quickstart["get_config"]("smoke").to_dict()
    workdir = write(tmp_path / "run", [], config)
    command = [sys.executable, "-m", "nas_jax.analysis.report", f"--workdir={workdir}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(workdir / "report.md")
    assert f"0 of {config['search']['num_trials']} search trials" in (workdir / "report.md").read_text()
