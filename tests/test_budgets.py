import pytest

from nas_jax.budgets import Budgets, budgets_of
from nas_jax.trial import Budget, Trial

BUDGETS = Budgets((200, 400, 600, 1000))


def trial(id, epochs, continues=None):
    return Trial(id, ("a",), "a", "search", 0, budget=epochs and Budget(epochs), continues=continues)


def test_a_continued_measurement_costs_what_it_adds():
    trials = [trial(0, 200), trial(1, 600, continues=0), trial(2, None), trial(3, None, continues=1)]
    assert BUDGETS.costs(trials) == [0.2, 0.4, 1.0, 0.4]


def test_budgets_round_up():
    assert [BUDGETS.at_least(epochs).epochs for epochs in (1, 200, 401, 5000)] == [200, 200, 600, 1000]


@pytest.mark.parametrize("each", [(), (0, 1), (2, 1), (1, 1)])
def test_budgets_ascend(each):
    with pytest.raises(ValueError, match="have to ascend"):
        Budgets(each)


def test_what_has_no_budgets_measures_in_full():
    assert budgets_of(object()) == Budgets((1,))
