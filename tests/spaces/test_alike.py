"""Shares of choices among genes that have the same ones, counted by hand."""

import numpy as np

from nas_jax.spaces.alike import Alike, alike_genes, shares
from nas_jax.spaces.categorical import Categorical

CELL = Categorical(
    genes=(("a", ("conv", "pool")), ("width", (8, 16)), ("b", ("conv", "pool")), ("c", ("conv", "pool")))
)


def test_alike_genes_have_the_same_choices_of_the_same_types_in_the_same_order():
    choices = [("x", "y"), (1, 2), ("x", "y"), ("y", "x"), (1.0, 2.0), (3,), (3,)]
    assert alike_genes(choices) == (Alike((0, 2), 2),)


def test_shares_are_counts_over_the_number_of_alike_genes():
    codes = np.array([[0, 1, 0, 1], [1, 0, 1, 1]])
    np.testing.assert_allclose(shares(codes, (Alike((0, 2, 3), 2),)), [[2 / 3, 1 / 3], [0, 1]])
    assert shares(codes, ()).shape == (2, 0)
    assert shares(codes[:0], (Alike((0, 2), 2),)).shape == (0, 2)


def test_categorical_encodes_them_and_says_that_no_gene_decides_them():
    x = CELL.encode([("conv", 8, "pool", "conv"), ("pool", 16, "conv", "conv")])
    np.testing.assert_allclose(x[:, -2:], [[2 / 3, 1 / 3], [2 / 3, 1 / 3]], rtol=1e-6)
    assert x.shape[1] == len(CELL.feature_genes)
    assert not set(CELL.feature_genes[-2:]) & set(CELL.gene_names)


def test_swapping_alike_genes_leaves_shares_as_they_are():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, size=(20, 5))
    swapped = codes[:, [0, 3, 2, 1, 4]]
    sets = (Alike((1, 3, 4), 3),)
    np.testing.assert_array_equal(shares(codes, sets), shares(swapped, sets))
    np.testing.assert_allclose(shares(codes, sets).sum(axis=1), 1)
