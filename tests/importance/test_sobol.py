"""Sobol indices of functions whose indices are known, and the points at which they are asked."""

import csv
from itertools import product

import numpy as np
import pytest
from known_function import SPACE

from nas_jax.importance.points import ChoicePoints, FeaturePoints, points_for
from nas_jax.importance.sobol import estimated_sobol, exact_sobol
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.chain import Chain
from nas_jax.spaces.nb201 import NasBench201

SIGNS = ((-1.0, 1.0),) * 3


def with_interaction(points):
    """Variances of the parts: 4, 1 and 2, so that 7 is all; the third input does nothing."""
    first, second, _ = points.T
    return 3 + 2 * first + second + np.sqrt(2) * first * second


@pytest.mark.parametrize("num_columns", [1, 2])
def test_estimates_of_an_additive_function_come_near_its_indices(num_columns):
    """Inputs of one column, or of two of which the function sees the sum."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 2**15, 4 * num_columns))
    weights = np.repeat([1.0, 2.0, 0.5, 0.0], num_columns)
    sobol = estimated_sobol(lambda x: 7 + x @ weights, a, b, list(np.arange(4 * num_columns).reshape(4, -1)))
    expected = np.array([1, 4, 0.25, 0]) / 5.25
    np.testing.assert_allclose(sobol.first, expected, atol=0.02)
    np.testing.assert_allclose(sobol.total, expected, atol=0.02)


def test_exact_indices_of_an_interaction():
    points = np.array(list(product(*SIGNS)))
    sobol = exact_sobol(with_interaction(points).reshape(2, 2, 2))
    np.testing.assert_allclose(sobol.first, np.array([4, 1, 0]) / 7, atol=1e-12)
    np.testing.assert_allclose(sobol.total, np.array([6, 3, 0]) / 7, atol=1e-12)
    assert not np.any(sobol.first_std_error + sobol.total_std_error)


def test_estimated_indices_of_an_interaction_are_within_their_errors():
    rng = np.random.default_rng(1)
    a, b = rng.choice([-1.0, 1.0], size=(2, 2**15, 3))
    sobol = estimated_sobol(with_interaction, a, b, list(np.arange(3).reshape(3, 1)))
    for found, error, expected in (
        (sobol.first, sobol.first_std_error, np.array([4, 1, 0]) / 7),
        (sobol.total, sobol.total_std_error, np.array([6, 3, 0]) / 7),
    ):
        np.testing.assert_allclose(found, expected, atol=0.02)
        assert np.all(np.abs(found - expected) <= 4 * error)
    assert sobol.total[2] == sobol.total_std_error[2] == 0


def test_standard_errors_are_the_spread_of_repetitions():
    def once(seed):
        a, b = np.random.default_rng(seed).choice([-1.0, 1.0], size=(2, 500, 3))
        return estimated_sobol(with_interaction, a, b, list(np.arange(3).reshape(3, 1)))

    runs = [once(seed) for seed in range(400)]
    for index, error in (("first", "first_std_error"), ("total", "total_std_error")):
        spread = np.std([getattr(sobol, index) for sobol in runs], axis=0)[:2]
        claimed = np.mean([getattr(sobol, error) for sobol in runs], axis=0)[:2]
        np.testing.assert_allclose(claimed, spread, rtol=0.35)  # the variance in the denominator is left out


def test_points_without_a_value_are_left_out():
    rng = np.random.default_rng(2)
    a, b = rng.choice([-1.0, 1.0], size=(2, 2**15, 4))

    def with_gaps(points):
        return np.where(points[:, 3] > 0, with_interaction(points[:, :3]), np.nan)

    sobol = estimated_sobol(with_gaps, a, b, list(np.arange(3).reshape(3, 1)))
    np.testing.assert_allclose(sobol.total, np.array([6, 3, 0]) / 7, atol=0.02)


def test_a_constant_function_has_no_indices():
    assert not np.any(exact_sobol(np.full((2, 3), 0.1)).total)
    a = np.zeros((5, 2))
    assert not np.any(estimated_sobol(lambda x: np.full(len(x), 0.1), a, a, [np.array([0]), np.array([1])]).total)


@pytest.mark.parametrize(
    "space", [SPACE, NasBench201((8, 8, 3), 5), Chain((8, 8, 3), 5)], ids=lambda s: type(s).__name__
)
def test_points_of_genomes_have_their_features(space):
    rng = np.random.default_rng(0)
    points = points_for(space, rng)
    assert isinstance(points, ChoicePoints)
    genomes = space.sample(rng, 50)
    np.testing.assert_array_equal(points.features(points.points_of(rng, genomes)), space.encode(genomes))


def gapped(tmp_path):
    """A table of a third of the combinations, with a feature that is no gene."""
    rows = [(*genome, 1 + place) for place, genome in enumerate(product(range(3), repeat=3)) if sum(genome) % 3 == 0]
    path = tmp_path / "gapped.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("x", "y", "z", "params"), *rows])
    return Categorical(path=str(path), ordered=(), free_features="params")


def test_a_table_with_gaps_is_asked_by_its_features(tmp_path):
    space = gapped(tmp_path)
    points = points_for(space, np.random.default_rng(0))
    assert isinstance(points, FeaturePoints)
    assert points.names == ("x", "y", "z", "counts of alike genes", "params")
    assert [columns.tolist() for columns in points.columns] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], [12]]
    assert [choice for choice, _ in points.choices(1)] == [0, 1, 2]
    np.testing.assert_array_equal([row for _, row in points.choices(1)], np.eye(3))
    assert points.choices(3) == []
