"""Examples for the report: which ones, and what is kept of them."""

import base64
import io
import json

import numpy as np
from PIL import Image

from nas_jax.data.digits import Digits
from nas_jax.search.examples import choose_examples, png_bytes, read_examples, write_examples
from nas_jax.tasks.base import Problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.evaluation import Measured


def says_the_label(split):
    """A network that says the label of every image of a split."""
    answers = {image.tobytes(): label for image, label in zip(split["image"], split["label"], strict=True)}
    return lambda images: np.eye(10, dtype=np.float32)[[answers[image.tobytes()] for image in images]]


def test_the_worst_come_first_then_some_of_the_middle_and_the_best():
    scores = np.random.default_rng(0).permutation(101)
    chosen = choose_examples(scores.astype(float), np.zeros(101))
    assert [scores[place] for place in chosen["worst"]] == [0, 1, 2, 3, 4, 5]
    assert [scores[place] for place in chosen["middling"]] == [49, 50, 51]
    assert [scores[place] for place in chosen["best"]] == [100, 99, 98]


def test_of_misses_the_one_with_the_largest_loss_is_the_worst():
    rng = np.random.default_rng(0)
    is_hit, losses = rng.random(40) < 0.6, rng.random(40)
    chosen = choose_examples(is_hit.astype(float), losses)
    misses = sorted(np.flatnonzero(~is_hit), key=lambda place: -losses[place])
    hits = sorted(np.flatnonzero(is_hit), key=lambda place: losses[place])
    assert chosen["worst"] == misses[:6]
    assert chosen["best"] == hits[:3]


def test_of_a_few_examples_each_is_there_once():
    for num in range(1, 14):
        chosen = choose_examples(np.arange(float(num)), np.zeros(num))
        places = [place for each in chosen.values() for place in each]
        assert len(places) == len(set(places)) == min(num, len(places))
        assert num > 6 or set(places) == set(range(num))


def test_each_example_is_there_with_its_own_prediction_and_picture(tmp_path):
    problem = Problem(Classification(), Digits(num_val=50).load())
    split = problem.dataset.val
    scores = np.random.default_rng(0).random(50)
    write_examples(tmp_path, says_the_label(split), problem, Measured({}, scores, np.zeros(50), {}))
    record = read_examples(tmp_path)
    assert record["num_examples"] == 50
    assert [each["kind"] for each in record["examples"]] == ["worst"] * 6 + ["middling"] * 3 + ["best"] * 3
    for each in record["examples"]:
        place = each["place"]
        name = problem.dataset.class_names[split["label"][place]]
        assert each["lines"][:2] == [f"It is: {name}", f"{name}  1.0000"]
        assert each["score"] == scores[place]
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(each["picture"]))))
        factor = picture.shape[0] // 8
        np.testing.assert_array_equal(picture[::factor, ::factor, 0], split["image"][place, ..., 0])


def test_a_folder_without_examples_has_none(tmp_path):
    assert read_examples(tmp_path) == {}
    (tmp_path / "examples.json").write_text(json.dumps({"num_examples": 1, "examples": []}))
    assert read_examples(tmp_path)["examples"] == []


def test_large_pictures_become_smaller():
    picture = np.random.default_rng(0).integers(0, 256, (400, 1600, 3), dtype=np.uint8)
    assert Image.open(io.BytesIO(png_bytes(picture))).size == (800, 200)
