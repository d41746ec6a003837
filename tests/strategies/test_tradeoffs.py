"""When one objective alone is followed to its end of the front, and when no more."""

import numpy as np
import pytest

from nas_jax.strategies.tradeoffs import Tradeoffs, weigh
from nas_jax.surrogates.improvement import Marginal

REFERENCE = np.array([0.0, 0.0])


def beliefs(std=0.1, best=1.0, other=1.0, probability=1.0):
    """One genome is known, with `best` of the first objective; a candidate is expected at 0.9, another far below."""
    first = Marginal(np.array([best, 0.9, 0.2]), np.array([0.0, std, std]))
    second = Marginal(np.array([1.0, other, 1.0]), np.array([0.0, 0.01, 0.01]))
    log_feasible = np.log([1.0, probability, 1.0])
    return Tradeoffs([first, second], np.array([-1.0, -1.0]), log_feasible, num_known=1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"std": 0.07}, True),
        ({"std": 0.06}, False),
        ({"std": 0.06, "best": 0.98}, True),
        ({"std": 0.07, "other": -1.0}, False),  # the promising one is worth nothing in the other objective
        ({"std": 0.07, "probability": 0.4}, False),  # or likely infeasible
    ],
)
def test_an_end_is_open_while_one_and_a_half_deviations_more_are_better_than_the_best(changes, expected):
    assert beliefs(**changes).is_open(0, REFERENCE) is expected


def test_an_end_of_which_nothing_is_known_within_the_reference_is_open():
    assert beliefs(std=0.01).is_open(0, np.array([0.0, 2.0]))


@pytest.mark.parametrize(("std", "is_followed"), [(0.2, True), (0.05, False)])
def test_only_an_open_end_is_followed(std, is_followed):
    """That of the first objective, or none: of the second the best is known."""
    both = beliefs(std)
    second = Marginal(np.array([1.0, 0.5, 0.5]), np.array([0.0, 0.01, 0.01]))
    both = both._replace(objectives=[both.objectives[0], second])
    drawn = [weigh(np.random.default_rng(seed), both, REFERENCE, 4.0) for seed in range(40)]
    bounds = [values for way, values in drawn if way == "upper_confidence_bound"]
    assert bool(bounds) is is_followed
    for values in bounds:
        np.testing.assert_array_equal(values, both.bounds(0, REFERENCE, 4.0))
    assert len({way for way, _ in drawn}) == 2 + is_followed
