"""The examples in the documentation do what the text says."""

import json
import re
import shlex
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import programs
import pytest

from nas_jax.build import build
from nas_jax.data.arrays import DataSource, load, num_examples
from nas_jax.data.plain_text import PlainText
from nas_jax.spaces.base import NetworkSpace, Space
from nas_jax.store import read_trials
from nas_jax.tasks.base import load_problem, space_fields
from nas_jax.tasks.classification import Classification
from nas_jax.tasks.language_model import LanguageModel
from nas_jax.train.fit import fit
from nas_jax.train.recipe import Recipe
from nas_jax.train.variables import draw_variables, initialize, input_shapes, plan_variables

ROOT = Path(__file__).parents[1]


def first_block(page, place=0):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)[place]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes an example of a page, by default the first, to a module of the package `my_lab`, as a reader would."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_lab").mkdir()

    def write(page, name, place=0):
        (tmp_path / "my_lab" / f"{name}.py").write_text(first_block(page, place))
        return f"my_lab.{name}"

    yield write
    for name in [name for name in sys.modules if name.startswith("my_lab")]:
        del sys.modules[name]


def test_a_space_of_your_own(module):
    section = {"name": module("docs/space.md", "stacks"), "num_layers": 2}
    space = build("nas_jax.spaces", section, image_shape=(8, 8, 1), num_outputs=10)
    assert isinstance(space, Space)
    rng = np.random.default_rng(0)
    genomes = space.sample(rng, 20)
    assert len(genomes) == len(set(genomes)) == 9
    assert space.sample(rng, 5, exclude=genomes[:7]) != []
    assert space.mutate(rng, genomes[0]) in space.neighbors(genomes[0])
    assert space.encode(genomes).shape == (9, 6)
    variables = initialize(space.network(genomes[0], jnp.float32), (8, 8, 1), seed=0)
    num_params = sum(leaf.size for layer in variables["params"].values() for leaf in layer.values())
    assert num_params == space.cost(genomes[0]).num_params


def test_a_space_with_what_people_write_trains(module, tmp_path):
    """The page's second space: it learns, its residuals begin at zero, and no task on images takes it."""
    name = module("docs/space.md", "mixers", place=-1)
    text = PlainText(str(tmp_path / "text.txt"), length=8)
    (tmp_path / "text.txt").write_text("the cat sat on the mat, and the dog sat on the cat. " * 60)
    problem = load_problem(LanguageModel(), text)
    space = build("nas_jax.spaces", {"name": name}, **space_fields(problem.task, problem.dataset.spec))
    assert isinstance(space, NetworkSpace)
    network = space.network((2, 16), jnp.float32)
    variables = draw_variables(plan_variables(network, input_shapes(problem)), 0)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == space.cost((2, 16)).num_params
    np.testing.assert_array_equal(variables["params"]["Dense_1"]["kernel"], 0.0)
    assert variables["params"]["places"].std() == pytest.approx(0.02, rel=0.2)
    recipe = Recipe(4, batch_size=32, optimizer="adamw", learning_rate=0.02, clip_norm=1.0, ema_decay=0.9)
    fitted = fit(network, problem, recipe, 0)
    assert np.abs(fitted.variables["params"]["Dense_1"]["kernel"]).max() > 0.01
    losses = fitted.metrics["curve"]["val_nats_per_token"]
    assert losses[-1] < 1.5 < np.log(len(problem.dataset.vocabulary)) < losses[0] + 1.5


def test_your_own_data(module, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (100, 6, 5, 3), np.uint8)
    np.savez(tmp_path / "images.npz", images=images, labels=np.arange(100) % 2)
    section = {"name": module("docs/data.md", "my_images"), "path": str(tmp_path / "images.npz"), "num_val": 20}
    source = build("nas_jax.data", section)
    assert isinstance(source, DataSource)
    dataset = load(source)
    splits = (dataset.train, dataset.val, dataset.test)
    assert [num_examples(split) for split in splits] == [70, 20, 10]
    assert len(np.unique(np.concatenate([split["image"] for split in splits]), axis=0)) == 100
    Classification().check(dataset)


def test_searching_a_table(tmp_path):
    """The page's command, on the page's table."""
    page = (ROOT / "docs/tables.md").read_text()
    table, command = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL)[1] for kind in ("csv", "sh"))
    (tmp_path / "table.csv").write_text(table)
    words = shlex.split(command.replace("=table.csv", f"={tmp_path / 'table.csv'}"))
    assert words[:2] == ["python", "-m"]
    done = programs.run(*words[2:], f"--workdir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    trials = read_trials(tmp_path / "run" / "trials.jsonl")
    assert len([trial for trial in trials if trial.stage == "search"]) == len(table.splitlines()) - 1
    genome = json.loads((tmp_path / "run" / "best" / "genome.json").read_text())["genome"]
    assert genome == [4, 32, "conv"]


def test_ask_and_tell(tmp_path, monkeypatch, capsys):
    """The whole page, from top to bottom, as in a notebook; what it prints is what the page says."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/ask_tell.md").read_text()
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    printed = []
    for place, block in enumerate(code):
        exec(compile(block, f"docs/ask_tell.md, example {place + 1}", "exec"), names)
        printed.append(capsys.readouterr().out.strip().splitlines())
    assert "optuna" not in "".join(code)
    said = [
        re.findall(r"(?:print\(.*\)  # |It prints `)([^`\n]+)", part) for part in re.split(r"```python\n", text)[1:]
    ]
    for lines, expected in zip(printed[:-1], said[:-1], strict=True):
        assert len(lines) == len(expected)
        assert all(whole.startswith(line) for line, whole in zip(lines, expected, strict=True))
    assert len(names["search"].trials) == 12
    assert names["study"].search.best.genome == ("conv", 128, True)
    assert np.isfinite(names["proposal"].predictions).all()


def test_the_search_in_the_readme(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
        if "Search(" in block
    ]
    exec(compile(code, "README.md", "exec"), {"train": lambda op, width: width * (op == "conv")})
    assert capsys.readouterr().out == "op=conv, width=64\n"


def test_the_surrogate_alone(capsys):
    names = {}
    exec(compile(first_block("docs/surrogate.md"), "docs/surrogate.md", "exec"), names)
    tau, covered = map(float, capsys.readouterr().out.split())
    assert tau > 0.4
    assert 0.88 < covered < 0.99
    assert names["unseen"].mean.shape == (200,)
