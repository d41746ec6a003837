"""Batches of texts of about the same length: which examples are together, and that a network learns the same."""

import jax
import numpy as np
import pytest
from flax import linen as nn

from nas_jax.data.arrays import Dataset
from nas_jax.data.tokens import make_vocabulary
from nas_jax.spaces.recurrent import Recurrent
from nas_jax.tasks.base import load_problem, space_fields
from nas_jax.tasks.text_classification import TextClassification
from nas_jax.train import lengths as lengths_module
from nas_jax.train.fit import fit
from nas_jax.train.lengths import lengths_for, lengths_of, shortened
from nas_jax.train.recipe import Recipe

WHOLE = 20
ENDS = np.array([3] * 8 + [4] * 24 + [9] * 24 + [20] * 8)  # half have up to 4, nine tenths up to 20


class Source:
    """64 texts of known lengths, of two classes that their first token tells apart."""

    def load(self) -> Dataset:
        rng = np.random.default_rng(0)
        tokens = rng.integers(2, 10, (len(ENDS), WHOLE)) * (np.arange(WHOLE) < ENDS[:, None])
        split = {"tokens": tokens.astype(np.int32), "label": (tokens[:, 0] > 5).astype(np.int32)}
        vocabulary = make_vocabulary(["abcdefghij" * 9], "characters", 1, 0)
        return Dataset("made", split, split, split, ("low", "high"), vocabulary=vocabulary)


@pytest.fixture(scope="module")
def problem():
    return load_problem(TextClassification(), Source())


@pytest.fixture(scope="module")
def network(problem):
    space = Recurrent(**space_fields(problem.task, problem.dataset.spec))
    return space.network(("gru", 1, 32, 16, 0.0, "both", "max"), np.dtype("float32"))


def test_lengths_have_room_for_half_and_nine_tenths(problem):
    lengths = lengths_of(problem.dataset)
    assert lengths.each == (4, WHOLE)  # nine tenths need the whole length
    np.testing.assert_array_equal(lengths.of_examples, (ENDS > 4).astype(int))


def test_no_token_is_lost(problem):
    train, lengths = problem.dataset.train, lengths_of(problem.dataset)
    for place, length in enumerate(lengths.each):
        its = lengths.of_examples == place
        cut = shortened(train, length)
        assert cut["tokens"].shape == (64, length)
        np.testing.assert_array_equal((cut["tokens"][its] != 0).sum(1), ENDS[its])
        np.testing.assert_array_equal(cut["label"], train["label"])


def test_batches_have_the_same_examples_and_one_at_most_is_mixed(problem):
    lengths = lengths_of(problem.dataset)
    drawn = np.random.default_rng(3).permutation(64).astype(np.int32)[:60].reshape(10, 6)
    batches = lengths.sorted_batches(drawn)
    assert sorted(batches.ravel()) == sorted(drawn.ravel())
    places = lengths.of_examples[batches]
    assert (places.min(axis=1) != places.max(axis=1)).sum() <= 1
    needed = lengths.of_batches(batches)
    assert needed == [lengths.each[place] for place in places.max(axis=1)]
    assert needed != sorted(needed)  # short and long ones take turns


def test_another_draw_puts_others_together(problem):
    lengths = lengths_of(problem.dataset)
    draws = [np.random.default_rng(seed).permutation(64).reshape(8, 8) for seed in (0, 1)]
    first, second = ({frozenset(batch) for batch in lengths.sorted_batches(drawn).tolist()} for drawn in draws)
    assert not first & second


def test_a_network_learns_what_it_learns_from_the_same_batches_in_whole_length(problem, network, monkeypatch):
    recipe = Recipe(3, batch_size=8, optimizer="adamw", learning_rate=0.01, warmup_epochs=0.0)
    monkeypatch.setattr(lengths_module, "_FEWEST_STEPS", 0)
    own = fit(network, problem, recipe, seed=1)
    monkeypatch.setattr(lengths_module, "shortened", lambda arrays, length: arrays)
    lengths_module.shortened_arrays.cache_clear()
    monkeypatch.setattr("nas_jax.train.whole.shortened", lambda arrays, length: arrays)
    whole = fit(network, problem, recipe, seed=1)
    lengths_module.shortened_arrays.cache_clear()
    np.testing.assert_allclose(own.metrics["curve"]["train_loss"], whole.metrics["curve"]["train_loss"], rtol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3), own.variables, whole.variables)


def test_where_it_would_not_pay_or_is_not_known_to_work_there_is_one_length(problem, network):
    class Unknown(nn.Module):
        pass

    assert lengths_for(network, problem.dataset, num_steps=1000) is not None
    assert lengths_for(network, problem.dataset, num_steps=100) is None
    assert lengths_for(Unknown(), problem.dataset, num_steps=1000) is None
