"""Regularised evolution: who may be a parent."""

import numpy as np
import pytest
from fakes import Numbers
from histories import make_history

from nas_jax.strategies.evolution import Evolution


def _history(numbers, scores):
    return make_history([(number,) for number in numbers], scores)


def test_the_best_of_a_full_tournament_has_the_mutant():
    history = _history([1, 10, 20, 30], [0.0, 3.0, 1.0, 2.0])
    (proposal,) = Evolution(Numbers(50), 4, 4).propose(np.random.default_rng(0), history, 1)
    assert proposal.genome == (11,)


def test_the_oldest_die_however_good_they_are():
    history = _history([10, 20, 30, 40], [9.0, 1.0, 3.0, 2.0])
    (proposal,) = Evolution(Numbers(50), 3, 3).propose(np.random.default_rng(0), history, 1)
    assert proposal.genome == (31,)


def test_a_tournament_has_to_fit_the_population():
    with pytest.raises(ValueError, match="tournament_size"):
        Evolution(Numbers(50), 3, 4)
