"""Networks whose answer is a picture: exported ones answer everywhere alike, and the command draws it."""

import re
import subprocess
import sys

import jax
import numpy as np
import pytest
from exported import random_variables
from jax import export
from made_runs import trial_of
from PIL import Image

from nas_jax.build import build
from nas_jax.data.digit_scenes import DigitScenes
from nas_jax.export import load_best
from nas_jax.report.card import write_card
from nas_jax.search.examples import read_examples
from nas_jax.search.export import Trained, export_network
from nas_jax.tasks.base import Problem, space_fields
from nas_jax.train.checkpoint import save_variables
from nas_jax.train.recipe import Recipe
from nas_jax.workdir import claim_workdir

pytestmark = pytest.mark.usefixtures("compiled_once")

SIZES = {"size": 20, "num_train": 8, "num_val": 6, "num_test": 6}
GENOMES = {
    "segmentation": ("encoder_decoder", (2, 8, 1, "conv", 3, 1, "add", "nearest")),
    "detection": ("pyramid", (8, 1, "conv", 3, 1, 4, 2, "none", 16, "shared", 0)),
}


@pytest.fixture(scope="module", params=GENOMES)
def exported(request, tmp_path_factory):
    """The folder of an untrained network, and the data set."""
    workdir, task_section = tmp_path_factory.mktemp(request.param), {"name": request.param}
    task = build("nas_jax.tasks", task_section)
    problem = Problem(task, DigitScenes(request.param, **SIZES).load())
    name, genome = GENOMES[request.param]
    space = build("nas_jax.spaces", {"name": name}, **space_fields(task, problem.dataset.spec))
    trial = trial_of(space, 3, genome, "final")
    network = space.network(genome, np.dtype(np.float32))
    save_variables(workdir / "finalists" / "3" / str(trial.seed), random_variables(network, (20, 20, 1)))
    config = {
        "seed": 0,
        "data": {"name": "digit_scenes"},
        "space": {"name": name},
        "task": task_section,
        "objective": {"metric": f"val_{task.metric_names[0]}"},
        "strategy": {"name": "random_search"},
        "surrogate": {"name": "gaussian_process"},
        "finalists": {"num_candidates": 1000},
    }
    claim_workdir(workdir, config)
    trained = Trained(
        space, problem, Recipe(num_epochs=1, warmup_epochs=0.0), workdir / "finalists", {"name": name}, task_section
    )
    export_network(workdir / "best", trained, trial, {})
    return workdir, problem


def test_the_program_says_what_the_network_says(exported):
    workdir, problem = exported
    images = problem.dataset.test["image"]
    expected = load_best(workdir / "best").predict(images)
    program = export.deserialize((workdir / "best" / "program.bin").read_bytes())
    found = program.call(images)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_its_metrics_of_classes_and_examples_are_there(exported):
    workdir, _ = exported
    record = read_examples(workdir / "best")
    assert record["num_examples"] == 6
    assert all(each["picture"] for each in record["examples"])
    assert sorted(each["place"] for each in record["examples"]) == list(range(6))


def test_the_command_draws_what_was_found_and_overwrites_nothing(exported, tmp_path):
    workdir, problem = exported
    Image.fromarray(problem.dataset.test["image"][0, ..., 0]).save(tmp_path / "scene.png")
    command = [sys.executable, "-m", "nas_jax.predict", f"--workdir={workdir}", "scene.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"shown in scene-predicted\.png$", done.stdout)
    predictor = load_best(workdir / "best")
    prediction = jax.tree.map(lambda array: array[0], predictor.predict(problem.dataset.test["image"][:1]))
    shown = problem.task.show({"image": problem.dataset.test["image"][0]}, prediction, problem.dataset.spec)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "scene-predicted.png")), shown.picture)
    lines = [line.strip() for line in done.stdout.splitlines()[1:-1]]
    assert lines == [line.strip() for line in problem.task.describe(prediction, problem.dataset.spec)]


def test_the_code_of_the_card_runs(exported):
    workdir, _ = exported
    card = write_card(workdir, build("nas_jax.tasks", {"name": workdir.name.rstrip("0123456789")})).read_text()
    code = re.findall(r"```python\n(.*?)```", card, re.DOTALL)[0]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=workdir / "best", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 2  # a line for each of two black images
