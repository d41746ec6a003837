"""What becomes of a winner: a program for JAX alone, and a card whose instructions work."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from exported import GENOME, export_untrained, random_variables
from jax import export
from markdown_it import MarkdownIt
from PIL import Image

from nas_jax.errors import UserError
from nas_jax.export import load_best
from nas_jax.report.card import write_card
from nas_jax.search.export import read_test_scores
from nas_jax.tasks.base import Problem
from nas_jax.train.checkpoint import read_dtype
from nas_jax.train.evaluation import measure
from nas_jax.train.recipe import Recipe
from nas_jax.train.step import make_forward

pytestmark = pytest.mark.usefixtures("compiled_once")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A working directory with an exported network, and the data set."""
    workdir = tmp_path_factory.mktemp("finished")
    return workdir, export_untrained(workdir)


def blocks(workdir, language):
    card = (workdir / "best" / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", card, re.DOTALL)


def run(workdir, code, *arguments):
    """Runs Python code in the folder of the network, in a process of its own, and returns its lines."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=workdir / "best", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_jax_alone_runs_the_program(finished, tmp_path):
    """The card's own code, on images of the data set in place of black ones."""
    workdir, dataset = finished
    images = dataset.test["image"][:20]
    np.save(tmp_path / "images.npy", images)
    code, count = re.subn(
        r"np\.zeros\(.*\)", f"np.load({str(tmp_path / 'images.npy')!r})", blocks(workdir, "python")[0]
    )
    assert count == 1
    check = "import sys; assert not {'flax', 'nas_jax'} & set(sys.modules)"
    lines = run(workdir, f"{code}\nnp.save({str(tmp_path / 'answer.npy')!r}, probabilities)\n{check}")
    expected = load_best(workdir / "best").predict(images)
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), expected, atol=1e-5)
    assert [line.split()[0] for line in lines] == [dataset.class_names[k] for k in expected.argmax(axis=1)]


def test_the_other_python_of_the_card_runs(finished):
    workdir, _ = finished
    lines = run(workdir, blocks(workdir, "python")[-1])
    black = load_best(workdir / "best").predict(np.zeros((2, 8, 8, 1), np.uint8))
    printed = re.findall(r"\d\.\d*(?:e-\d+)?", "".join(lines).partition("]")[0])
    np.testing.assert_allclose([float(number) for number in printed], black[0], rtol=1e-4)
    assert lines[-1].endswith("['batch_stats', 'params']")


def test_the_command_of_the_card_names_a_picture(finished):
    workdir, dataset = finished
    picture = workdir / "best" / "picture.png"
    Image.fromarray(dataset.test["image"][0, ..., 0]).save(picture)
    (command,) = (block for block in blocks(workdir, "sh") if "nas_jax.predict" in block)
    words = command.split()
    lines = run(workdir, "import runpy; runpy.run_module('nas_jax.predict', run_name='__main__')", *words[3:])
    expected = load_best(workdir / "best").predict(dataset.test["image"][:1])[0]
    assert lines[0] == "picture.png"
    assert [line.split()[0] for line in lines[1:]] == [dataset.class_names[k] for k in np.argsort(-expected)[:5]]
    assert float(lines[1].split()[1]) == pytest.approx(expected.max(), abs=1e-4)


def test_every_word_that_classification_had_is_on_the_card(finished):
    workdir, _ = finished
    text = " ".join((workdir / "best" / "README.md").read_text().split())
    for sentence in (
        "# A classifier of images: digits",
        "It takes images of 8 x 8 pixels with 1 channel, and gives a probability to each of 10 classes.",
        "for any number of images at once:",
        "images = np.zeros((2, 8, 8, 1), np.uint8) # yours: raw pixels 0..255, not normalised",
        "probabilities = program.call(images) # float32 [2, 10]",
        "| Classes | 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 |",
        "| Network | Validation accuracy | Test accuracy |",
        "- It knows only its classes: every image gets one of them, whatever it shows.",
    ):
        assert sentence in text, sentence


def test_the_card_says_what_was_measured_and_by_what(finished):
    workdir, _ = finished
    card = (workdir / "best" / "README.md").read_text()
    metrics = json.loads((workdir / "best" / "metrics.json").read_text())
    environment = json.loads((workdir / "environment.json").read_text())
    for fact in (
        ", ".join(GENOME),
        f"{100 * metrics['test_accuracy']:.2f} %",
        f"{metrics['num_params']:,}",
        f"{metrics['flops']:,}",
        f"jax {environment['versions']['jax']}",
        environment["git_revision"] or "unknown",  # where there is no history
        environment["command"],
        "num_epochs: 1",
        "random\\_search",
    ):
        assert fact in card, fact


def test_the_example_of_the_page_runs(finished):
    """The first one of docs/export.md, in the working directory of a run."""
    workdir, _ = finished
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text(), re.DOTALL)[1]
    before = "import os, numpy as np; os.chdir('..'); images = np.full((3, 8, 8, 1), 50, np.uint8)"
    (best,) = run(workdir, f"{before}\n{code}\nprint(*np.argmax(probabilities, axis=1))")
    expected = load_best(workdir / "best").predict(np.full((3, 8, 8, 1), 50, np.uint8))
    assert best.split() == [str(k) for k in expected.argmax(axis=1)]


def test_the_test_split_is_measured_on_what_is_shipped(tmp_path):
    """Trained in bfloat16, whose outputs are others: not those are reported."""
    recipe = Recipe(num_epochs=1, warmup_epochs=0.0, compute_dtype="bfloat16")
    dataset = export_untrained(tmp_path, recipe=recipe, seeds=[7, 8], val_accuracy_per_seed=[0.4, 0.6])
    best = tmp_path / "best"
    labels = dataset.test["label"]
    shipped = load_best(best)
    program = export.deserialize((best / "program.bin").read_bytes())
    metrics = json.loads((best / "metrics.json").read_text())
    for probabilities in (shipped.predict(dataset.test["image"]), np.asarray(program.call(dataset.test["image"]))):
        loss = -np.log(probabilities[np.arange(len(labels)), labels].astype(np.float64)).mean()
        assert metrics["exported"]["test_loss"] == pytest.approx(loss, rel=1e-5)
        assert metrics["exported"]["test_accuracy"] == np.mean(probabilities.argmax(axis=1) == labels)
    of_recipe = dataclasses.replace(shipped.network, dtype=recipe.dtype)
    problem = Problem(shipped.task, dataset)
    (as_trained,) = measure(make_forward(of_recipe, problem, recipe), [shipped.variables], problem, "test")
    assert abs(as_trained.metrics["test_loss"] - loss) > 1e-4  # otherwise nothing was tested


def test_the_recipe_says_what_the_winner_was_trained_in(tmp_path):
    """Not what the process that exports it would train in; of an earlier version's finalists nothing is known."""
    export_untrained(tmp_path)
    assert Recipe(num_epochs=1, warmup_epochs=0.0).dtype == np.float32
    assert json.loads((tmp_path / "best" / "recipe.json").read_text())["compute_dtype"] == "bfloat16"
    assert read_dtype(tmp_path) is None


def test_the_score_of_each_test_example_is_kept_for_all_seeds(tmp_path):
    dataset = export_untrained(tmp_path, seeds=[7, 8], val_accuracy_per_seed=[0.4, 0.6])
    best = tmp_path / "best"
    metrics = json.loads((best / "metrics.json").read_text())
    scores = read_test_scores(best)
    assert list(scores) == [metrics["trial"]]
    hits = load_best(best).predict(dataset.test["image"]).argmax(axis=1) == dataset.test["label"]
    np.testing.assert_array_equal(scores[metrics["trial"]][1], hits)
    np.testing.assert_allclose(scores[metrics["trial"]].mean(axis=1), metrics["test_accuracy_per_seed"])
    (best / "test_scores.npz").unlink()
    assert read_test_scores(best) == {}


def as_of_0_1(best):
    """Makes of a folder what version 0.1.0 would have written."""
    genome, recipe = (json.loads((best / f"{name}.json").read_text()) for name in ("genome", "recipe"))
    old = {
        "genome": genome["genome"],
        "description": genome["description"],
        "space": genome["space"],
        "dataset": "digits",
        "image_shape": [8, 8, 1],
        "num_classes": 10,
        "class_names": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    }
    preprocessing = {name: genome["spec"][name] for name in ("mean", "std")}
    (best / "genome.json").write_text(json.dumps(old))
    (best / "recipe.json").write_text(json.dumps({**recipe, "label_smoothing": 0.0, "preprocessing": preprocessing}))


def test_a_folder_of_an_earlier_version_is_a_classifier(tmp_path):
    dataset = export_untrained(tmp_path)
    best = tmp_path / "best"
    now = load_best(best)
    as_of_0_1(best)
    then = load_best(best)
    assert (then.task, then.spec) == (now.task, now.spec)
    np.testing.assert_array_equal(then.predict(dataset.test["image"]), now.predict(dataset.test["image"]))
    assert write_card(tmp_path, then.task).read_text().startswith("# A classifier of images: digits\n")


@pytest.mark.parametrize(
    "genome", ["{}", "[]", "{", '{"task": {"name": "classification"}, "spec": {"arrays": {"image": {}}}}']
)
def test_a_folder_of_no_version_is_one_line(tmp_path, genome):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "genome.json").write_text(genome)
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(UserError, match="was written by no version of nas_jax that this one reads"):
        load_best(tmp_path)


@pytest.mark.parametrize("part", ["space", "task"])
def test_a_received_folder_runs_no_code_unless_it_is_allowed(part, tmp_path, monkeypatch):
    export_untrained(tmp_path)
    name = f"received_{part}"
    best, package = tmp_path / "best", tmp_path / name
    package.mkdir()
    (package / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\nmake = None\n")
    genome = json.loads((best / "genome.json").read_text())
    genome[part]["name"] = f"{name}.trap"
    (best / "genome.json").write_text(json.dumps(genome))
    monkeypatch.syspath_prepend(str(tmp_path))
    for allow in ((), ("received",), (f"{name}.tra", f"{name}.trap.x")):
        with pytest.raises(UserError, match=rf"'{name}.trap', whose code would run here; .* allow=\('{name}.trap',\)"):
            load_best(best, allow)
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(TypeError):  # of this part that is none
        load_best(best, (name,))
    assert (tmp_path / "sprung").exists()


def test_inputs_of_another_kind_are_refused(finished):
    workdir, _ = finished
    predictor = load_best(workdir / "best")
    for inputs, given in ((np.zeros((1, 9, 9, 1), np.uint8), "uint8 .n, 9, 9, 1"), (np.zeros((1, 8, 8, 1)), "float64")):
        with pytest.raises(
            ValueError, match=rf"the inputs are {given}.*; the network was trained on uint8 .n, 8, 8, 1"
        ):
            predictor.predict(inputs)


HOSTILE = ("a|b", "*star*", "<script>", "[x](y)", "`tick`", "![z](w)", "new\nline", "_under_", "~~no~~", "back\\slash")


def test_names_of_data_cannot_break_the_card(tmp_path):
    """Rendered by another library, every name is there as text and nothing but ours is markup."""
    export_untrained(tmp_path, class_names=HOSTILE, description="conv `x` | <b>fat</b> $dataset", name="*set* | <i>")
    card = (tmp_path / "best" / "README.md").read_text()
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(card)
    inner = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in inner} == {"text", "code_inline", "softbreak", "strong_open", "strong_close"}
    text = "".join(child.content for child in inner)
    for name in (*HOSTILE, "conv `x` | <b>fat</b> $dataset", "*set* | <i>"):
        assert " ".join(name.split()) in text
    assert [token.type for token in tokens].count("table_open") == 3


def test_of_several_seeds_the_best_by_validation_is_exported(tmp_path):
    accuracies = {7: 0.5, 8: 0.7, 9: 0.6}
    of_seeds = {"seeds": list(accuracies), "val_accuracy_per_seed": list(accuracies.values()), "val_accuracy": 0.6}
    dataset = export_untrained(tmp_path, **of_seeds)
    best = tmp_path / "best"
    metrics = json.loads((best / "metrics.json").read_text())
    predictor = load_best(best)

    def test_accuracy(seed):
        variables = random_variables(predictor.network, dataset.spec.image_shape, seed)
        predicted = dataclasses.replace(predictor, variables=variables).predict(dataset.test["image"])
        return np.mean(predicted.argmax(axis=1) == dataset.test["label"])

    measured = [test_accuracy(seed) for seed in accuracies]
    assert len(set(measured)) > 1
    assert metrics["test_accuracy_per_seed"] == pytest.approx(measured)
    assert metrics["test_accuracy"] == pytest.approx(np.mean(measured))
    assert metrics["test_accuracy_std_error"] == pytest.approx(np.std(measured, ddof=1) / 3**0.5)
    assert metrics["exported"]["test_accuracy"] == pytest.approx(measured[1])
    assert (metrics["exported"]["seed"], metrics["exported"]["val_accuracy"]) == (8, 0.7)
    assert json.loads((best / "recipe.json").read_text())["seed"] == 8
    kept = load_best(best).predict(dataset.test["image"])
    assert np.mean(kept.argmax(axis=1) == dataset.test["label"]) == pytest.approx(measured[1])
    card = (best / "README.md").read_text()
    assert "Each architecture was trained with 3 seeds." in card
    assert f"{100 * np.mean(measured):.2f} % ±" in card
    assert "examples and the seeds)" in card
