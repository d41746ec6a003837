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
from markdown_it import MarkdownIt
from PIL import Image

from nas_jax.export import load_best

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
    images = dataset.test.images[:20]
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
    Image.fromarray(dataset.test.images[0, ..., 0]).save(picture)
    (command,) = (block for block in blocks(workdir, "sh") if "nas_jax.predict" in block)
    words = command.split()
    lines = run(workdir, "import runpy; runpy.run_module('nas_jax.predict', run_name='__main__')", *words[3:])
    expected = load_best(workdir / "best").predict(dataset.test.images[:1])[0]
    assert lines[0] == "picture.png"
    assert [line.split()[0] for line in lines[1:]] == [dataset.class_names[k] for k in np.argsort(-expected)[:5]]
    assert float(lines[1].split()[1]) == pytest.approx(expected.max(), abs=1e-4)


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
    classifier = load_best(best)

    def test_accuracy(seed):
        variables = random_variables(classifier.network, dataset.image_shape, seed)
        predicted = dataclasses.replace(classifier, variables=variables).predict(dataset.test.images)
        return np.mean(predicted.argmax(axis=1) == dataset.test.labels)

    measured = [test_accuracy(seed) for seed in accuracies]
    assert len(set(measured)) > 1
    assert metrics["test_accuracy_per_seed"] == pytest.approx(measured)
    assert metrics["test_accuracy"] == pytest.approx(np.mean(measured))
    assert metrics["test_accuracy_std_error"] == pytest.approx(np.std(measured, ddof=1) / 3**0.5)
    assert metrics["exported"]["test_accuracy"] == pytest.approx(measured[1])
    assert (metrics["exported"]["seed"], metrics["exported"]["val_accuracy"]) == (8, 0.7)
    assert json.loads((best / "recipe.json").read_text())["seed"] == 8
    kept = load_best(best).predict(dataset.test.images)
    assert np.mean(kept.argmax(axis=1) == dataset.test.labels) == pytest.approx(measured[1])
    card = (best / "README.md").read_text()
    assert "Each architecture was trained with 3 seeds." in card
    assert f"{100 * np.mean(measured):.2f} % ±" in card
    assert "examples and the seeds)" in card
