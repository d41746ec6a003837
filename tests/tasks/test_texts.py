"""Tasks on text: metrics beside scikit-learn's and by hand."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from nas_jax.data.arrays import Augmentation, Dataset, Spec
from nas_jax.data.tokens import UNKNOWN, make_vocabulary
from nas_jax.tasks.base import Problem, Task
from nas_jax.tasks.language_model import LanguageModel, sample_next
from nas_jax.tasks.text_classification import TextClassification
from nas_jax.tasks.texts import shown_text
from nas_jax.train.evaluation import evaluation_batch_size

WORDS = make_vocabulary(["a b c d"], "words")


def classified(**changes):
    split = {"tokens": np.array([[2, 3, 0], [4, 5, 2]], np.int32), "label": np.array([0, 2], np.int32)}
    return Dataset("words", *[split | changes] * 3, class_names=("x", "y", "z"), vocabulary=WORDS)


def continued(**changes):
    split = {"tokens": np.array([[2, 3, 0], [4, 5, 2]], np.int32), "next": np.array([[3, 4, -1], [5, 2, 3]], np.int32)}
    return Dataset("words", *[split | changes] * 3, vocabulary=WORDS)


def added_up(task, outputs, batch, sizes):
    """Sums of batches of these sizes, the last one padded."""
    total, start, metric_sums = None, 0, jax.jit(task.metric_sums)
    for size in sizes:
        part = jax.tree.map(lambda array, s=start, n=size: np.resize(array[s : s + n], (n, *array.shape[1:])), batch)
        logits = np.resize(outputs[start : start + size], (size, *outputs.shape[1:]))
        sums = metric_sums(
            jnp.asarray(logits), jax.tree.map(jnp.asarray, part), jnp.arange(size) < len(outputs) - start
        )
        total = sums if total is None else jax.tree.map(jnp.add, total, sums)
        start += size
    return task.metrics(jax.device_get(total), len(outputs))


def test_classes_are_counted_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    labels, outputs = rng.integers(0, 4, 50).astype(np.int32), rng.normal(size=(50, 6)).astype(np.float32)
    outputs[:, 4] = -9  # neither said nor there
    outputs[:20, 5] = 9  # said, and not there
    found = added_up(TextClassification(), outputs, {"label": labels}, (20, 20, 20))
    said = outputs.argmax(1)
    f1 = sklearn.metrics.f1_score(labels, said, labels=range(6), average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(f1, abs=1e-6)
    assert found["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(labels, said))
    probabilities = np.asarray(TextClassification().predict(jnp.asarray(outputs)))
    assert found["loss"] == pytest.approx(sklearn.metrics.log_loss(labels, probabilities, labels=range(6)), rel=1e-5)


def test_tokens_are_lost_at_the_rate_that_is_asked_for_and_padding_never():
    task = TextClassification(token_dropout=0.3)
    tokens = np.tile(np.array([[2, 3, 4, 0]], np.int32), (2000, 1))
    draws = task.draw(jax.random.key(0), 2000, Augmentation())
    lost = np.asarray(task.augment({"tokens": tokens}, draws, Augmentation())["tokens"])
    np.testing.assert_allclose((lost == UNKNOWN).mean(0), [0.3, 0.3, 0.3, 0], atol=0.05)
    assert ((lost == tokens) | (lost == UNKNOWN)).all()
    assert (lost[1:] != lost[:-1]).any(1).mean() > 0.5
    assert TextClassification().augment({"tokens": tokens}, (), Augmentation())["tokens"] is tokens


def test_every_token_of_a_language_model_has_equal_weight():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(30, 4, 6)).astype(np.float32)
    targets = rng.integers(-1, 6, (30, 4)).astype(np.int32)
    targets[:, 0] = 2
    found = added_up(LanguageModel(), outputs, {"next": targets}, (16, 16))
    chosen = np.exp(outputs) / np.exp(outputs).sum(-1, keepdims=True)
    nats = [-np.log(chosen[i, j, targets[i, j]]) for i in range(30) for j in range(4) if targets[i, j] >= 0]
    assert found["nats_per_token"] == pytest.approx(np.mean(nats), rel=1e-5)
    assert found["bits_per_token"] == pytest.approx(np.mean(nats) / np.log(2), rel=1e-5)
    assert found["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-5)
    hits = (outputs.argmax(-1) == targets)[targets >= 0]
    assert found["token_accuracy"] == pytest.approx(hits.mean())
    losses = jax.jit(LanguageModel().loss)(jnp.asarray(outputs), {"next": jnp.asarray(targets)})
    counts = (targets >= 0).sum(1)
    assert float((losses * counts).sum()) == pytest.approx(np.sum(nats), rel=1e-5)


def test_fewer_texts_are_measured_at_once_where_the_vocabulary_is_large():
    """A probability for each word, at each place: 256 texts of 64 tokens with 100,000 words were 6 GiB."""
    tokens = np.ones((300, 64), np.int32)
    sizes = []
    for num_words in (100, 100_000):
        words = make_vocabulary([" ".join(f"w{i}" for i in range(num_words))], "words")
        dataset = Dataset("words", *[{"tokens": tokens, "next": tokens}] * 3, vocabulary=words)
        sizes.append(evaluation_batch_size(Problem(LanguageModel(), dataset)))
    assert sizes == [256, 8]
    assert 8 * 64 * 100_000 <= 2**26 < 16 * 64 * 100_000


def test_the_example_of_the_card_names_what_follows_the_last_token():
    words = LanguageModel().words(continued().spec)  # the names of the card's code
    probabilities = np.zeros((2, 3, len(WORDS)), np.float32)
    probabilities[0, 1, WORDS.index("d")] = probabilities[1, 2, WORDS.index("a")] = 1
    printed = []
    code = words.example.split("\n", 1)[1]  # after the line that reads the vocabulary
    tokens = np.array([[2, 3, 0], [4, 5, 2]])
    exec(code, {words.inputs: tokens, words.predictions: probabilities, "vocabulary": WORDS, "print": printed.append})
    assert printed == ["d", "a"]


def test_draws_follow_the_probabilities():
    probabilities = np.array([0.5, 0.2, 0.2, 0.1])
    rng = np.random.default_rng(0)
    counts = np.bincount([sample_next(probabilities, rng) for _ in range(3000)], minlength=4)
    assert counts[:2].tolist() == [0, 0]  # padding, and what is unknown
    assert counts[2] / 3000 == pytest.approx(2 / 3, abs=0.04)
    assert sum(sample_next(probabilities, rng, 0.05) == 2 for _ in range(100)) > 98


@pytest.mark.parametrize(
    ("task", "dataset", "message"),
    [
        (TextClassification(), continued(), "'label' is None"),
        (TextClassification(), classified(label=np.array([0, 3], np.int32)), "labels must lie in 0..2"),
        (TextClassification(), classified(tokens=np.array([[9], [2]], np.int32)), "tokens must lie in 0..5"),
        (TextClassification(), replace(classified(), vocabulary=("a", "b")), "begin with its marks"),
        (LanguageModel(), classified(), "array 'next'"),
        (LanguageModel(), continued(next=np.full((2, 3), -1, np.int32)), "at least one an example"),
    ],
)
def test_data_that_do_not_fit_are_refused(task, dataset, message):
    with pytest.raises(ValueError, match=message):
        Problem(task, dataset)


def test_people_see_what_a_network_does_not_know():
    assert shown_text(np.array([2, UNKNOWN, 3, 0, 0]), classified().spec) == "a [?] b"
    assert shown_text(np.array([UNKNOWN, 0]), Spec("none", {}, vocabulary=make_vocabulary([], "bytes"))) == ""


@pytest.mark.parametrize(("task", "dataset"), [(TextClassification(), classified()), (LanguageModel(), continued())])
def test_they_are_tasks_that_say_what_they_do(task, dataset):
    assert isinstance(task, Task)
    spec = Problem(task, dataset).dataset.spec
    words = task.words(spec)
    assert words.takes == "texts of up to 3 words, as places in a vocabulary of 6"
    outputs = jnp.zeros((2, 3) if isinstance(task, TextClassification) else (2, 3, 6))
    prediction = np.asarray(task.predict(outputs))[0]
    np.testing.assert_allclose(prediction.sum(-1), 1.0, rtol=1e-6)
    assert len(task.describe(prediction, spec)) == (3 if isinstance(task, TextClassification) else 5)
