"""A task from outside of nas_jax: trained, exported, described and predicted with, and nothing edited for it."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import programs
import pytest
from elsewhere.regression import Regression
from elsewhere.shades import Shades
from made_runs import trial_of
from PIL import Image

from nas_jax.build import build
from nas_jax.errors import UserError
from nas_jax.evaluators.training import Training
from nas_jax.export import load_best
from nas_jax.report.card import write_card
from nas_jax.search.export import Trained, export_network, read_test_scores
from nas_jax.search.latency import read_latency, write_latency
from nas_jax.tasks.base import Task, load_problem, space_fields
from nas_jax.train.recipe import Recipe
from nas_jax.workdir import claim_workdir

ROOT = Path(__file__).parents[1]
SPACE_SECTION = {"name": "chain", "conv_filters": (4,), "fc_units": (8,), "max_feature_layers": 2}
TASK_SECTION = {"name": "elsewhere.regression"}
GENOME = ("conv3x3-4", "fc-8")
ALLOW = ("elsewhere",)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A working directory with a network of two seeds, and its metrics."""
    workdir = tmp_path_factory.mktemp("shades")
    task, source = build("nas_jax.tasks", TASK_SECTION), build("nas_jax.data", {"name": "elsewhere.shades"})
    problem = load_problem(task, source)
    space = build("nas_jax.spaces", SPACE_SECTION, **space_fields(task, problem.dataset.spec))
    recipe = Recipe(num_epochs=8, batch_size=16, learning_rate=0.02)
    training = Training(space, source, task, recipe, checkpoint_dir=workdir / "finalists", num_seeds=2)
    reports = []
    new = [trial_of(space, 0, GENOME, "final"), trial_of(space, 1, ("max", "fc-8"), "baseline")]
    trial, baseline = training.evaluate(iter(new), reports.append)
    for each in (trial, baseline):
        told = [report.metrics["val_rmse"] for report in reports if report.trial == each.id]
        assert told == each.metrics["curve"]["val_rmse"]
    config = {"seed": 0, "genome": GENOME, "data": {"name": "elsewhere.shades"}, "task": TASK_SECTION}
    claim_workdir(workdir, config)
    trained = Trained(space, problem, recipe, workdir / "finalists", SPACE_SECTION, TASK_SECTION)
    metrics = export_network(workdir / "best", trained, trial, {"baseline": baseline})
    write_card(workdir, task)
    return workdir, metrics


def test_it_is_a_task_whose_metrics_an_objective_can_name():
    assert isinstance(Regression(), Task)
    assert Training(
        build("nas_jax.spaces", SPACE_SECTION, image_shape=(8, 8, 1), num_outputs=1),
        Shades(),
        Regression(),
        Recipe(num_epochs=1, warmup_epochs=0.0),
    ).metric_names[:2] == ("val_rmse", "val_loss")


def test_it_learns_and_the_seed_with_the_smaller_error_is_exported(finished):
    _, metrics = finished
    errors = metrics["val_rmse_per_seed"]
    assert metrics["exported"]["seed"] == metrics["seeds"][errors.index(min(errors))]
    targets = load_problem(Regression(), Shades()).dataset.test["target"]
    assert metrics["exported"]["test_rmse"] < targets.std() / 2
    assert metrics["test_loss"] == pytest.approx(np.mean(np.square(metrics["test_rmse_per_seed"])), rel=1e-5)


def test_what_is_loaded_predicts_what_was_measured(finished):
    workdir, metrics = finished
    test = load_problem(Regression(), Shades()).dataset.test
    numbers = load_best(workdir / "best", ALLOW).predict(test["image"])
    assert numbers.shape == (128,)
    errors = np.square(numbers - test["target"])
    assert metrics["exported"]["test_rmse"] == pytest.approx(errors.mean() ** 0.5, rel=1e-5)
    scores = read_test_scores(workdir / "best")
    np.testing.assert_allclose(scores[0][metrics["seeds"].index(metrics["exported"]["seed"])], -errors, atol=1e-6)
    of_baseline = metrics["baselines"]["baseline"]["test_rmse_per_seed"]
    np.testing.assert_allclose(np.sqrt(-scores[1].mean(axis=1)), of_baseline, rtol=1e-5)
    with pytest.raises(UserError, match=r"names the module 'elsewhere.regression'.*--allow=elsewhere.regression"):
        load_best(workdir / "best")


def test_its_card_speaks_of_numbers_and_its_commands_run(finished):
    workdir, metrics = finished
    card = (workdir / "best" / "README.md").read_text()
    text = " ".join(card.split())
    exported = metrics["exported"]
    for sentence in (
        "# A regression of images: shades",
        "It takes images of 8 x 8 pixels with 1 channel, and gives one number.",
        "| Network | Validation rmse | Test rmse |",
        f"| this one | {exported['val_rmse']:.4g} | {exported['test_rmse']:.4g} |",
        "best of them by validation rmse",
        "- It gives a number for every image, whatever it shows.",
        'name: "elsewhere.regression"',
    ):
        assert sentence in text, sentence
    assert not re.search("class|accura|probabilit|%", text.partition("## Origin")[0])
    assert "softmax" not in text
    alone, with_flax = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}

    def run(*command):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=workdir / "best",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    black = load_best(workdir / "best", ALLOW).predict(np.zeros((2, 8, 8, 1), np.uint8))
    for code in (alone, with_flax):
        printed = re.findall(r"-?\d+\.\d+", run("-c", code)[0])
        np.testing.assert_allclose([float(number) for number in printed], black, rtol=1e-3)
    image = load_problem(Regression(), Shades()).dataset.test["image"][0]
    Image.fromarray(image[..., 0]).save(workdir / "best" / "picture.png")
    (command,) = (block for block in re.findall(r"```sh\n(.*?)```", card, re.DOTALL) if "nas_jax.predict" in block)
    (expected,) = load_best(workdir / "best", ALLOW).predict(image[None])
    assert run(*command.split()[1:]) == ["picture.png", f"  {expected:.3f}"]


def test_its_latency_is_measured(finished):
    workdir, _ = finished
    write_latency(workdir / "best", ALLOW)
    assert len(read_latency(workdir / "best")[0]) == 2


def test_data_without_its_array_are_refused():
    @dataclasses.dataclass(frozen=True)
    class Untargeted:
        def load(self):
            dataset = Shades().load()
            images = {"image": dataset.train["image"]}
            return dataclasses.replace(dataset, train=images, val=images, test=images)

    with pytest.raises(
        UserError, match="the task Regression and the data set 'shades': there must be an array 'target'"
    ):
        load_problem(Regression(), Untargeted())


def test_the_page_shows_this_task():
    page = (ROOT / "docs" / "task.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert blocks[0] == (ROOT / "tests" / "elsewhere" / "regression.py").read_text()
    assert blocks[1] == (ROOT / "tests" / "elsewhere" / "shades.py").read_text()


def test_what_the_folder_says_is_plain_json(finished):
    genome = json.loads((finished[0] / "best" / "genome.json").read_text())
    assert genome["task"] == TASK_SECTION
    assert genome["spec"]["arrays"]["target"] == {"shape": [], "dtype": "float32"}


CONFIG = """\
from ml_collections import ConfigDict


def get_config():
    return ConfigDict(
        {
            "data": {"name": "elsewhere.shades"},
            "task": {"name": "elsewhere.regression"},
            "space": {"name": "chain", "conv_filters": (4,), "fc_units": (8,), "max_feature_layers": 2},
            "search": {"num_trials": 6},
            "strategy": {"name": "bayesopt", "num_initial": 4},
            "recipe": {"num_epochs": 4, "batch_size": 16, "learning_rate": 0.02},
            "finalists": {"num_finalists": 1, "num_candidates": 20, "evaluator": {"num_seeds": 2}},
        }
    )
"""


def test_a_whole_run_goes_by_the_task_from_head_to_report(tmp_path):
    """The objective, the display, the page and the card know what it measures, and that less is better."""
    (tmp_path / "shades.py").write_text(CONFIG)
    workdir = tmp_path / "run"
    flags = (f"--config={tmp_path / 'shades.py'}", f"--workdir={workdir}")
    done = programs.run("nas_jax.main", *flags, PYTHONPATH=str(ROOT / "tests"))
    assert done.returncode == 0, done.stderr
    metrics = json.loads((workdir / "best" / "metrics.json").read_text())
    searched = [json.loads(line) for line in (workdir / "trials.jsonl").read_text().splitlines()]
    errors = [trial["metrics"]["val_rmse"] for trial in searched if trial["metrics"] and trial["stage"] == "search"]
    said = re.search(r"Test rmse ([\d.e-]+), validation rmse ([\d.e-]+)", done.stdout)
    assert [float(number) for number in said.groups()] == pytest.approx(
        [metrics["test_rmse"], metrics["val_rmse"]], rel=1e-4
    )
    page = (workdir / "report.html").read_text()
    assert "Validation rmse" in page
    assert any(float(number) == pytest.approx(min(errors), rel=1e-4) for number in re.findall(r"0\.\d+", page))
    card = (workdir / "best" / "README.md").read_text()
    for text in (done.stdout, page, card):
        assert not re.search(r"accuracy|classif", text, re.IGNORECASE)
