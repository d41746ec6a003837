"""Who has gone furthest, who may catch up, and who leads a rung."""

import numpy as np
import pytest
from histories import make_history

from nas_jax.budgets import Budgets
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.choices import choices_of
from nas_jax.strategies.contenders import incumbent, is_behind, leading
from nas_jax.strategies.pools import Pool
from nas_jax.trial import Budget

SPACE = Categorical(genes=(("width", tuple(range(9))),))
EACH = tuple(map(Budget, (1, 2, 4)))


def history_of(places, budgets, values, pending=()):
    """Of genomes by their places in the space, each trial with a budget."""
    genomes = list(SPACE.genomes())
    history = make_history([genomes[place] for place in places], values, pending=[genomes[each] for each in pending])
    return history._replace(budgets=tuple(map(Budget, budgets)), pending_budgets=(EACH[1],) * len(pending))


def test_the_incumbent_is_the_best_of_those_that_have_gone_furthest():
    history = history_of([0, 1, 2, 0, 1], [1, 1, 1, 4, 4], [0.1, 0.2, 0.9, 0.3, 0.4])
    assert incumbent(history) == 4


def test_behind_is_who_comes_no_further_by_its_next_rung_than_others_have():
    history = history_of([0, 1, 2, 0], [1, 1, 1, 2], np.zeros(4))
    features = Pool(np.zeros((4, 1)), [], np.zeros((0, 1)))
    found = choices_of(features, history, EACH, Budgets((1, 2, 4)))
    behind = dict(zip(found.genomes, is_behind(found, history).tolist(), strict=True))
    assert list(behind[genome] for genome in list(SPACE.genomes())[:3]) == [False, True, True]


@pytest.mark.parametrize(
    ("pending", "expected"),
    [((), 5), ((5,), 4), ((5, 4), None)],
)
def test_a_leader_is_among_the_best_third_and_goes_on_if_it_has_not(pending, expected):
    """Of seven at the first rung, two lead; of two at the next, none."""
    history = history_of([0, 1, 2, 3, 4, 5, 6, 0, 1], [1] * 7 + [2] * 2, [*np.arange(7) % 6, 8, 9], pending)
    genomes = list(SPACE.genomes())
    assert leading(history, EACH) == (None if expected is None else genomes[expected])
