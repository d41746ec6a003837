"""What holds for every strategy of the package, on every kind of space."""

import numpy as np
import pytest
from fakes import Numbers
from histories import make_history as history_of
from made_runs import make_run
from spaces_of_all_kinds import example_spaces
from strategies_of_all_kinds import NAMES, WITH_RUNGS, make

from nas_jax.evaluators.base import Measurement, evaluate_serially
from nas_jax.search.loop import search
from nas_jax.settings import SearchSettings
from nas_jax.strategies.base import RandomStart, Strategy

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture(scope="module")
def spaces(tmp_path_factory):
    return {"numbers": Numbers(num=40), **example_spaces(tmp_path_factory.mktemp("tables"))}


def pytest_generate_tests(metafunc):
    if "strategy_name" in metafunc.fixturenames:
        metafunc.parametrize("strategy_name", NAMES)


def make_history(space, num):
    genomes = tuple(space.sample(np.random.default_rng(5), num + 3))
    num = len(genomes) - 3
    scores = np.random.default_rng(6).normal(size=num)
    return history_of(genomes[:num], scores, failed=genomes[num : num + 1], pending=genomes[num + 1 :])


def genomes_of(proposals):
    return [proposal.genome for proposal in proposals]


@pytest.mark.parametrize("num_known", [0, 1, 12])
def test_proposals_are_new_distinct_valid_and_reproducible(strategy_name, spaces, num_known):
    for title, space in spaces.items():
        strategy = make(strategy_name, space)
        assert isinstance(strategy, Strategy)
        history = make_history(space, num_known)
        proposed = genomes_of(strategy.propose(np.random.default_rng(0), history, 4))
        assert len(set(proposed)) == 4, title
        assert not set(proposed) & history.known, title
        assert proposed == genomes_of(strategy.propose(np.random.default_rng(0), history, 4)), title
        if space.num_genomes <= 20_000:
            assert set(proposed) <= set(space.genomes()), title


def test_an_exhausted_space_gives_what_is_left_and_then_nothing(strategy_name):
    space = Numbers(num=14)
    strategy = make(strategy_name, space)
    history = make_history(space, 8)
    proposed = strategy.propose(np.random.default_rng(0), history, 5)
    while more := strategy.propose(
        np.random.default_rng(1), history._replace(failed=(*history.failed, *genomes_of(proposed))), 5
    ):
        proposed += more
    assert set(genomes_of(proposed)) == set(space.genomes()) - history.known


def test_a_search_goes_on_whatever_fails(strategy_name):
    """Half of all genomes fail, the first ones among them."""
    space = Numbers(num=40)
    evaluator = Table(lambda genome: float(genome[0]), fails=lambda genome: genome[0] % 2 == 0)
    trials = searched(space, strategy_name, evaluator, SearchSettings(20, 20), seed=1)
    assert len({(trial.genome, trial.budget) for trial in trials}) == 20


def searched(space, strategy_name, evaluator, settings, seed):
    run = make_run(space=space, strategy=make(strategy_name, space), evaluator=evaluator, search=settings, seed=seed)
    search(run)
    return run.store.trials()


def test_first_proposals_are_random_where_a_strategy_says_so(strategy_name):
    """They are draws of the space, for which scores do not matter."""
    space = Numbers(num=60)
    strategy = make(strategy_name, space)
    assert isinstance(strategy, RandomStart)
    first = [searched(space, strategy_name, Table(value), SearchSettings(12), seed=2) for value in (by_size, by_turns)]
    num = int(min(strategy.num_random, 12))
    assert num >= 3
    assert [trial.genome for trial in first[0][:num]] == [trial.genome for trial in first[1][:num]]
    drawn = []
    for position in range(num):
        drawn += space.sample(np.random.default_rng((2, position)), 1, exclude=frozenset(drawn))
    assert [trial.genome for trial in first[0][:num]] == drawn


def by_size(genome):
    return float(genome[0])


def by_turns(genome):
    return float(genome[0] % 7)


class Table:
    """Measures a genome by a function; beside it a metric of the test split."""

    metric_names = ("val_accuracy",)

    def __init__(self, value, test=lambda genome: 0.0, fails=lambda genome: False):
        self.value, self.test, self.fails = value, test, fails
        self.asked = set()

    def measure(self, trial, report=None):
        self.asked.add(trial.genome)
        if self.fails(trial.genome):
            raise ArithmeticError("no result")
        metrics = {"val_accuracy": self.value(trial.genome), "test_accuracy": self.test(trial.genome)}
        return Measurement(metrics, {"train": 0.0})

    def evaluate(self, requests, report=None):
        return evaluate_serially(self.measure, requests)


def test_no_strategy_sees_test_metrics_or_what_was_not_asked_for(strategy_name):
    """Two tables that agree on what is asked, and differ in all test metrics and all other values."""
    space = Numbers(num=60)

    num = 45 if strategy_name in WITH_RUNGS else 15  # which begin with many random genomes

    def proposed(evaluator):
        return [trial.genome for trial in searched(space, strategy_name, evaluator, SearchSettings(num), seed=3)]

    first = Table(lambda genome: -abs(genome[0] - 30.0))
    genomes = proposed(first)
    other = Table(
        lambda genome: -abs(genome[0] - 30.0) if genome in first.asked else 1e3,
        test=lambda genome: float(np.random.default_rng(genome[0]).normal()),
    )
    assert proposed(other) == genomes
    # And it would show: a table that differs in what is asked leads elsewhere, if the strategy looks at scores at all.
    if strategy_name != "random_search":
        assert proposed(Table(lambda genome: -abs(genome[0] - 5.0))) != genomes
