"""Several objectives and constraints: what strategies propose on a space whose front is known."""

from dataclasses import replace

import numpy as np
import pytest
from histories import make_history

from nas_jax.budgets import Budgets
from nas_jax.constraints import Constraint
from nas_jax.errors import UserError
from nas_jax.objectives import Objective, Objectives
from nas_jax.search.ask_tell import Search
from nas_jax.spaces.allowed import Allowed, allowed
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.chain import Chain
from nas_jax.strategies.asha import Asha
from nas_jax.strategies.bayesopt import Bayesopt
from nas_jax.strategies.evolution import Evolution
from nas_jax.strategies.freeze_thaw import FreezeThaw
from nas_jax.strategies.hyperband import Hyperband
from nas_jax.strategies.local_search import LocalSearch
from nas_jax.strategies.one_shot import OneShot
from nas_jax.strategies.order import best_first
from nas_jax.strategies.random_search import RandomSearch
from nas_jax.strategies.successive_halving import SuccessiveHalving
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.random_forest import RandomForest
from nas_jax.trial import Budget

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SPACE = Categorical(genes=tuple((name, tuple(range(6))) for name in "abc"))
CHAIN = Chain(image_shape=(8, 8, 1), num_outputs=10, conv_filters=(4, 8), fc_units=(16,), max_feature_layers=3)
BOTH = [Objective("gain"), Objective("cost", maximize=False)]
STRATEGIES = {
    "bayesopt": lambda space: Bayesopt(space, GaussianProcess(num_starts=1), num_initial=6),
    "evolution": lambda space: Evolution(space, population_size=8),
    "local_search": lambda space: LocalSearch(space, num_initial=6),
    "random_search": RandomSearch,
}

BUDGETS = Budgets((1, 3, 9))
WITH_BUDGETS = {
    "asha": lambda space: Asha(space, BUDGETS),
    "freeze_thaw": lambda space: FreezeThaw(space, BUDGETS, num_initial=6),
    "hyperband": lambda space: Hyperband(space, BUDGETS),
    "successive_halving": lambda space: SuccessiveHalving(space, BUDGETS),
}


def measure(genome):
    """Both ends of the front are corners; between them genomes with no middle."""
    return {"gain": float(sum(genome)), "cost": float(sum(value**2 for value in genome))}


def run(search, num, batch=1):
    for _ in range(num // batch):
        for trial in search.ask(batch):
            search.tell(trial, measure(trial.genome))
    return search


@pytest.mark.parametrize("targets", ["ranks", "scores", "log_errors", "logarithms"])
@pytest.mark.parametrize("limit", [Constraint("latency", at_most=7), Constraint("recall", at_least=0.3)])
def test_a_constraint_is_learned_whatever_the_targets_of_the_objective(targets, limit):
    space = Categorical(genes={name: [0, 1, 2, 3] for name in "abc"})
    strategy = Bayesopt(space, RandomForest(num_trees=5), num_initial=6, targets=targets)
    search = Search(space, strategy, "accuracy", seed=0, constraints=[limit])
    for _ in range(9):
        (trial,) = search.ask(1)
        total = sum(trial.genome)
        search.tell(trial, {"accuracy": 0.01 + total / 20, "latency": 1.0 + total, "recall": 0.05 + total / 14})
    assert len(search.trials) == 9


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_proposes_new_genomes_and_repeats_itself(name):
    first, second = (run(Search(SPACE, STRATEGIES[name](SPACE), BOTH, seed=3), 14, 2) for _ in range(2))
    genomes = [trial.genome for trial in first.trials]
    assert len(set(genomes)) == 14
    assert genomes == [trial.genome for trial in second.trials]
    values = first.history.values
    for trial in first.front:
        own = np.array([trial.metrics["gain"], -trial.metrics["cost"]])
        assert not ((values >= own).all(axis=1) & (values > own).any(axis=1)).any()


@pytest.mark.parametrize("name", [*STRATEGIES, *WITH_BUDGETS])
def test_no_strategy_proposes_what_is_known_to_be_too_large(name):
    sizes = sorted(CHAIN.cost(genome).num_params for genome in CHAIN.sample(np.random.default_rng(0), 50))
    limit = Constraint("num_params", at_most=sizes[15])
    search = Search(CHAIN, (STRATEGIES | WITH_BUDGETS)[name](CHAIN), "val_accuracy", constraints=[limit])
    for _ in range(12):
        (trial,) = search.ask()
        assert CHAIN.cost(trial.genome).num_params <= sizes[15]
        search.tell(trial, {"val_accuracy": 0.5 + 0.01 * trial.id})


def test_bayesopt_predicts_both_objectives_and_takes_a_known_one_as_it_is():
    aims = [Objective("val_accuracy"), Objective("num_params", maximize=False)]
    search = Search(CHAIN, STRATEGIES["bayesopt"](CHAIN), aims)
    for _ in range(9):
        (trial,) = search.ask()
        search.tell(trial, {"val_accuracy": 0.5 + 0.01 * (trial.id % 4)})  # the space knows the parameters
    size = CHAIN.cost(trial.genome).num_params
    assert trial.predictions[1].mean == pytest.approx(-size)
    assert trial.predictions[1].std < 1e-3
    assert trial.predictions[0].std > 0


def test_a_learned_constraint_is_learned():
    limit = Constraint("cost", at_most=20)
    search = run(Search(SPACE, STRATEGIES["bayesopt"](SPACE), "gain", constraints=[limit]), 24)
    far_off = [trial.metrics["cost"] > 40 for trial in search.trials[8:]]
    by_chance = np.mean([measure(genome)["cost"] > 40 for genome in SPACE.genomes()])
    assert np.mean(far_off) < by_chance / 2
    assert search.best.metrics["cost"] <= 20
    assert search.best.metrics["gain"] == 7  # the best there is, as (2, 2, 3)


@pytest.mark.parametrize("name", ["bayesopt", "evolution", "local_search"])
def test_where_all_is_infeasible_the_search_goes_on_and_nothing_wins(name):
    search = run(Search(SPACE, STRATEGIES[name](SPACE), "gain", constraints=[Constraint("cost", at_most=-1)]), 12)
    assert len(search.trials) == 12
    assert search.best is None
    assert search.front == []


@pytest.mark.parametrize("name", ["bayesopt", "evolution", "local_search"])
def test_identical_values_are_no_reason_to_fail(name):
    search = Search(SPACE, STRATEGIES[name](SPACE), BOTH)
    for _ in range(12):
        (trial,) = search.ask()
        search.tell(trial, {"gain": 1.0, "cost": 1.0})
    assert len(search.front) == 1


def test_one_shot_says_that_it_has_room_for_one():
    with pytest.raises(UserError, match="one_shot ranks by one objective"):
        Search(SPACE, OneShot(SPACE), BOTH).ask()


def test_freeze_thaw_says_that_it_has_room_for_one():
    with pytest.raises(UserError, match="freeze_thaw follows one objective"):
        Search(SPACE, WITH_BUDGETS["freeze_thaw"](SPACE), BOTH).ask()


@pytest.mark.parametrize("name", ["asha", "successive_halving"])
def test_of_a_rung_those_go_on_that_no_other_one_of_it_dominates(name):
    search = Search(SPACE, WITH_BUDGETS[name](SPACE), BOTH, seed=1)
    promoted = set()
    for _ in range(16):
        (trial,) = search.ask()
        if trial.budget == Budget(3):
            left = [each for each in search.trials if each.budget == Budget(1) and each.genome not in promoted]
            assert trial.genome in {each.genome for each in Objectives(tuple(BOTH)).front(left)}
            promoted.add(trial.genome)
        search.tell(trial, measure(trial.genome))
    assert len(promoted) > 1


def test_the_best_come_first_by_rank_then_by_crowding_and_infeasible_ones_last():
    aims = Objectives(tuple(BOTH), (Constraint("cost", at_most=60),))
    search = run(Search(SPACE, RandomSearch(SPACE), BOTH, constraints=aims.constraints), 30)
    history = search.history
    order = best_first(history)
    front = {tuple(measure(trial.genome).values()) for trial in search.front}
    num = sum(tuple(measure(genome).values()) in front for genome in history.genomes)  # some have equal values
    assert {tuple(measure(history.genomes[row]).values()) for row in order[:num]} == front
    is_kept = (history.violations <= 0).all(axis=1)[order]
    assert not is_kept[is_kept.argmin() :].any() or is_kept.all()


def test_an_allowed_space_draws_and_edits_within_its_limits():
    aims = Objectives((Objective(),), (Constraint("num_params", at_most=800),), known=("num_params",))
    space = allowed(CHAIN, aims)
    assert isinstance(space, Allowed)
    rng = np.random.default_rng(0)
    for genome in space.sample(rng, 20):
        assert CHAIN.cost(genome).num_params <= 800
        assert set(space.neighbors(genome)) <= set(CHAIN.neighbors(genome))
        assert all(CHAIN.cost(each).num_params <= 800 for each in space.neighbors(genome))
    assert allowed(CHAIN, replace(aims, known=())) is CHAIN


def test_limits_that_nothing_keeps_are_refused():
    aims = Objectives((Objective(),), (Constraint("num_params", at_most=1),), known=("num_params",))
    with pytest.raises(UserError, match="no genome with num_params <= 1"):
        allowed(CHAIN, aims).sample(np.random.default_rng(0), 3)


def test_of_what_a_program_costs_the_logarithm_is_learned():
    """By ranks a surrogate knows which of two is faster, and much less well how fast each is."""

    def cost(genome):
        return 0.02 * np.exp(0.4 * sum(genome))

    genomes = SPACE.sample(np.random.default_rng(0), 24)
    both = np.array([[genome[0], -cost(genome)] for genome in genomes])
    history = make_history(genomes, both[:, 1])._replace(values=both)
    errors = {}
    for metric in ("latency_ms", "cost"):
        aims = Objectives((Objective("gain"), Objective(metric, maximize=False)))
        proposals = Bayesopt(SPACE, num_initial=6, objectives=aims).propose(np.random.default_rng(1), history, 20)
        truth = np.array([cost(proposal.genome) for proposal in proposals])
        found = np.array([-proposal.predictions[1].mean for proposal in proposals])
        errors[metric] = np.median(np.abs(found / truth - 1))
    assert errors["latency_ms"] < 0.6 * errors["cost"]
