"""Blocks of one-hot features are found by what the columns hold, whatever their units."""

import numpy as np
import pytest

from nas_jax.surrogates.loadings import loadings_of, one_hot_blocks


def _one_hot(codes, num):
    return np.eye(num)[codes]


def _genes(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return [_one_hot(rng.integers(num, size=n), num) for num in (5, 5, 3)], rng.uniform(size=(n, 2))


def test_blocks_are_found_between_other_features():
    genes, numbers = _genes()
    x = np.concatenate([numbers[:, :1], *genes, numbers[:, 1:]], axis=1)
    np.testing.assert_array_equal(one_hot_blocks(x), [0] + [1] * 5 + [2] * 5 + [3] * 3 + [4])
    scaled = x * np.random.default_rng(1).uniform(0.1, 9, size=x.shape[1]) + 3
    np.testing.assert_array_equal(one_hot_blocks(scaled), one_hot_blocks(x))


def test_binary_features_that_are_no_block_stand_alone():
    x = np.random.default_rng(0).integers(2, size=(50, 4)).astype(float)
    np.testing.assert_array_equal(one_hot_blocks(x), [0, 1, 2, 3])


def test_features_of_a_block_share_its_loading_and_blocks_of_one_size_those_of_places():
    genes, numbers = _genes()
    loadings = loadings_of(np.concatenate([*genes, numbers], axis=1), None)
    assert loadings.shape == (15, 3 + 2 + 5 + 3)  # blocks, other features, places in fives, places in threes
    np.testing.assert_array_equal(loadings.sum(axis=1), [2] * 13 + [1] * 2)
    overlap = loadings @ loadings.T
    assert overlap[0, 1] == overlap[0, 5] == 1  # one gene; one place in two genes
    assert overlap[0, 6] == overlap[0, 10] == overlap[0, 13] == 0


def test_given_groups_are_taken_as_they_are():
    x = np.random.default_rng(0).uniform(size=(9, 4))
    np.testing.assert_array_equal(loadings_of(x, ("a", 7, "a", 7)), [[1, 0], [0, 1], [1, 0], [0, 1]])


def test_one_hot_features_of_a_label_keep_what_places_share():
    genes, numbers = _genes()
    x = np.concatenate([*genes[:2], numbers], axis=1)
    labels = ("a",) * 5 + ("b",) * 5 + ("c", "c")
    loadings = loadings_of(x, labels)
    assert loadings.shape == (12, 3 + 5)
    np.testing.assert_array_equal(loadings[10], loadings[11])
    assert loadings[0] @ loadings[5] == 1  # the place


@pytest.mark.parametrize("n", [1, 2])
def test_few_rows_and_constant_features_do_no_harm(n):
    x = np.zeros((n, 3))
    x[:, 1] = 1
    assert loadings_of(x, None).shape[0] == 3
