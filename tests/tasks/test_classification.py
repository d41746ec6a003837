"""Classification against closed forms and scikit-learn."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from nas_jax.data.arrays import Dataset
from nas_jax.data.digits import Digits
from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.tasks.base import Problem, Task, load_problem
from nas_jax.tasks.classification import Classification, cross_entropy

TASK = Classification()


def outputs_and_batch(num=7):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.normal(size=(num, 3)), jnp.float32), {
        "label": jnp.asarray(rng.integers(0, 3, num), jnp.int32)
    }


def test_it_is_a_task():
    assert isinstance(TASK, Task)
    assert len({TASK, Classification(0.0), Classification(0.1)}) == 2


def test_smoothed_loss_in_closed_form():
    logits, labels = jnp.array([[2.0, 0.0, -1.0]]), jnp.array([1])
    log_p = np.asarray(jax.nn.log_softmax(logits))[0]
    expected = -(0.9 * log_p[1] + 0.1 * log_p.mean())
    np.testing.assert_allclose(cross_entropy(logits, labels, 0.1)[0], expected, rtol=1e-6)
    np.testing.assert_allclose(Classification(0.1).loss(logits, {"label": labels})[0], expected, rtol=1e-6)


def test_metrics_are_those_of_scikit_learn_without_the_padding():
    outputs, batch = outputs_and_batch()
    sums = jax.device_get(Classification(0.1).metric_sums(outputs, batch, jnp.arange(7) < 5))
    metrics = TASK.metrics(sums, 5)
    probabilities = np.asarray(TASK.predict(outputs), np.float64)[:5]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = np.asarray(batch["label"])[:5]
    assert tuple(metrics) == TASK.metric_names
    assert metrics["accuracy"] == pytest.approx(accuracy_score(labels, probabilities.argmax(axis=1)))
    assert metrics["loss"] == pytest.approx(log_loss(labels, probabilities, labels=[0, 1, 2]), rel=1e-5)


def test_scores_are_hits():
    outputs, batch = outputs_and_batch()
    expected = np.asarray(outputs).argmax(axis=1) == np.asarray(batch["label"])
    np.testing.assert_array_equal(TASK.scores(outputs, batch), expected)


GOOD = {"image": np.zeros((2, 4, 4, 1), np.uint8), "label": np.array([0, 1], np.int32)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((2, 4, 4, 1), np.float32)}, r"images must be uint8 .*, but are float32 \[n, 4, 4, 1\]"),
        ({"image": np.zeros((2, 4, 4), np.uint8)}, r"images must be uint8 .*, but are uint8 \[n, 4, 4\]"),
        ({"label": np.zeros(2, np.uint8)}, "'label', int32"),
        ({"label": np.zeros((2, 1), np.int32)}, "'label', int32"),
        ({"label": np.array([0, 2], np.int32)}, r"train: labels must lie in 0\.\.1"),
        ({"label": np.array([-1, 0], np.int32)}, r"train: labels must lie in 0\.\.1"),
    ],
)
def test_data_that_do_not_fit_are_refused(changes, message):
    split = {**GOOD, **changes}
    with pytest.raises(ValueError, match=message):
        Problem(TASK, Dataset("broken", split, split, split, ("a", "b")))


@pytest.mark.parametrize("name", ["image", "label"])
def test_data_without_an_array_are_refused(name):
    split = {"other": np.zeros(2, np.int32), **{key: value for key, value in GOOD.items() if key != name}}
    with pytest.raises(ValueError, match=f"no array '{name}'|an array '{name}'"):
        Problem(TASK, Dataset("broken", split, split, split, ("a", "b")))


def test_a_problem_is_loaded_once_and_its_refusal_names_the_data_set():
    assert load_problem(TASK, Synthetic()) is load_problem(Classification(), Synthetic())

    @dataclasses.dataclass(frozen=True)
    class Unnamed:
        def load(self):
            return dataclasses.replace(Digits().load(), class_names=())

    with pytest.raises(UserError, match="the task Classification and the data set 'digits': train: labels must lie"):
        load_problem(TASK, Unnamed())


@pytest.mark.parametrize("label_smoothing", [1.0, -0.1, float("nan")])
def test_impossible_smoothing_is_refused(label_smoothing):
    with pytest.raises(ValueError, match="label_smoothing"):
        Classification(label_smoothing)


def test_the_five_most_probable_classes_are_shown():
    def describe(probabilities, class_names):
        spec = Synthetic(num_classes=2).load().spec._replace(class_names=class_names)
        return TASK.describe(np.array(probabilities, np.float32), spec)

    lines = describe([0.05, 0.4, 0.1, 0.02, 0.3, 0.13], ("a", "bb", "ccc", "d", "e", "f"))
    assert [line.split() for line in lines] == [
        ["bb", "0.4000"],
        ["e", "0.3000"],
        ["f", "0.1300"],
        ["ccc", "0.1000"],
        ["a", "0.0500"],
    ]
    assert len({len(line) for line in lines}) == 1
    assert len(describe([0.5, 0.5], ("a", "b"))) == 2


@pytest.mark.parametrize(("num", "listed"), [(2, "0, 1"), (23, "18, 19 and 3 more, see genome.json")])
def test_few_classes_are_listed_in_words(num, listed):
    words = TASK.words(Synthetic(num_classes=num).load().spec)
    assert words.facts[0][1].endswith(listed)
    assert words.type == f"float32 [n, {num}]"
    assert f" {num} classes" in words.gives
