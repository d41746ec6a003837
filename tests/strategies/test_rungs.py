"""Schedules of rungs, against simulations that know which trial is of which bracket."""

import numpy as np
import pytest
from fakes import Numbers
from made_runs import make_run
from written_tables import write_csv

from nas_jax.budgets import Budgets
from nas_jax.evaluators.tabular import Tabular
from nas_jax.objectives import Objective, Objectives
from nas_jax.search.loop import search
from nas_jax.settings import SearchSettings
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.asha import Asha
from nas_jax.strategies.hyperband import Hyperband
from nas_jax.strategies.rungs import describe_rungs, rung_budgets
from nas_jax.strategies.successive_halving import SuccessiveHalving

LOSS = Objectives((Objective("loss", maximize=False),))
NUM, EPOCHS = 120, (1, 2, 3, 5, 9, 20, 27, 50)


@pytest.fixture(scope="module")
def losses():
    """[genomes, epochs]; some trainings diverge."""
    rng = np.random.default_rng(0)
    final, noise = rng.normal(size=(NUM, 1)), rng.normal(size=(NUM, len(EPOCHS)))
    losses = final + 3 * noise / np.sqrt(EPOCHS)
    for genome in rng.choice(NUM, 20, replace=False):
        losses[genome, rng.integers(len(EPOCHS)) :] = np.nan
    return losses


@pytest.fixture(scope="module")
def path(losses, tmp_path_factory):
    rows = [(number, *("" if np.isnan(loss) else loss for loss in curve)) for number, curve in enumerate(losses)]
    header = ("number", *(f"loss_{epochs}" for epochs in EPOCHS))
    return str(write_csv(tmp_path_factory.mktemp("losses") / "losses.csv", header, rows))


def searched(path, make, num_workers=1, batch_size=1, max_cost=None, num_trials=400):
    space = Categorical(path=path, genes="number")
    evaluator = Tabular(space, path, curve="loss_{}", num_workers=num_workers)
    run = make_run(
        space=space,
        strategy=make(space, evaluator.budgets),
        evaluator=evaluator,
        objectives=LOSS,
        search=SearchSettings(num_trials, batch_size=batch_size, max_cost=max_cost, max_failures=1000),
        budgets=evaluator.budgets,
    )
    search(run)
    return run.store.trials()


def epochs_of(trials):
    return [(trial.genome[0], trial.budget.epochs) for trial in trials]


def started(trials):
    """The genomes in the order in which they were drawn."""
    return [trial.genome[0] for trial in trials if trial.continues is None]


def finished(losses, genome, epochs):
    place = EPOCHS.index(epochs)
    return losses[genome, place] if np.isfinite(losses[genome, : place + 1]).all() else np.inf


def by_hand(losses, order, brackets):
    """Bracket by bracket and rung by rung, each with its own list of genomes."""
    left, trials = list(order), []
    for num, rungs in brackets:
        genomes, left = left[:num], left[num:]
        num_started = len(genomes)
        for rung, epochs in enumerate(rungs):
            trials += [(genome, epochs) for genome in genomes]
            alive = [genome for genome in genomes if np.isfinite(finished(losses, genome, epochs))]
            alive.sort(key=lambda genome, epochs=epochs: finished(losses, genome, epochs))
            genomes = alive[: max(num_started // 3 ** (rung + 1), 1)]
    return trials


RUNGS = (1, 3, 9, 27, 50)
SCHEDULES = {
    "successive_halving": (SuccessiveHalving, [(81, RUNGS), (81, RUNGS)]),
    "of 20": (lambda *provided: SuccessiveHalving(*provided, num_configs=20), [(20, RUNGS)] * 6),
    "hyperband": (Hyperband, [(81, RUNGS), (34, RUNGS[1:]), (15, RUNGS[2:])]),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("batch_size", [1, 7])
def test_synchronous_schedules_until_the_space_is_used_up(path, losses, name, batch_size):
    make, brackets = SCHEDULES[name]
    trials = searched(path, make, batch_size=batch_size)
    assert len(started(trials)) == NUM
    assert epochs_of(trials) == by_hand(losses, started(trials), brackets)


@pytest.mark.parametrize("name", SCHEDULES)
def test_workers_wait_for_the_rest_of_a_rung(path, losses, name):
    make, brackets = SCHEDULES[name]
    trials = searched(path, make, num_workers=4)
    assert epochs_of(trials) == by_hand(losses, started(trials), brackets)
    assert all(trial.status != "pending" for trial in trials)


def asha_by_hand(losses, order):
    """Rungs as lists of genomes, which remember who was promoted."""
    order, rungs, promoted = list(order), [[] for _ in RUNGS], [set() for _ in RUNGS]
    while True:
        for rung in reversed(range(len(RUNGS) - 1)):
            ranked = sorted(rungs[rung], key=lambda genome, rung=rung: finished(losses, genome, RUNGS[rung]))
            best = [g for g in ranked[: len(ranked) // 3] if np.isfinite(finished(losses, g, RUNGS[rung]))]
            if new := [genome for genome in best if genome not in promoted[rung]]:
                promoted[rung].add(new[0])
                rungs[rung + 1].append(new[0])
                yield new[0], RUNGS[rung + 1]
                break
        else:
            if not order:
                return
            rungs[0].append(order.pop(0))
            yield rungs[0][-1], RUNGS[0]


def test_asha_promotes_as_soon_as_it_can(path, losses):
    trials = searched(path, Asha)
    assert len(started(trials)) == NUM
    assert epochs_of(trials) == list(asha_by_hand(losses, started(trials)))


@pytest.mark.parametrize("num_workers", [1, 3])
def test_asha_comes_to_the_full_budget_where_the_space_is_small(tmp_path, num_workers):
    """Of eight genomes a third rounds down to two, of two to none."""
    rows = [(number, *(number + 1 / epochs for epochs in EPOCHS)) for number in range(8)]
    path = write_csv(tmp_path / "losses.csv", ("number", *(f"loss_{epochs}" for epochs in EPOCHS)), rows)
    trials = searched(str(path), Asha, num_workers=num_workers)
    assert len(started(trials)) == 8
    assert (0, 50) in epochs_of(trials)
    assert all(trial.status == "finished" for trial in trials)


def test_asha_with_workers_never_waits_and_promotes_nothing_twice(path):
    trials = searched(path, lambda *provided: Asha(*provided, num_brackets=3), num_workers=4)
    assert len(set(epochs_of(trials))) == len(trials)
    by_id = {trial.id: trial for trial in trials}
    for trial in trials:
        if trial.continues is not None:
            assert by_id[trial.continues].status == "finished"
            assert by_id[trial.continues].genome == trial.genome
            assert by_id[trial.continues].seed == trial.seed
    first = [trial.budget.epochs for trial in trials if trial.continues is None]
    # Hyperband's brackets start ceil(5 / (s + 1) * 3^s) each, s = 4, 3, 2: 81, 34 and 15 of 130.
    shares = {1: NUM * 81 / 130, 3: NUM * 34 / 130, 9: NUM * 15 / 130}
    assert {epochs: first.count(epochs) for epochs in RUNGS[:3]} == pytest.approx(shares, abs=1)


def test_the_rung_table_and_what_brackets_cost():
    budgets = Budgets(tuple(range(1, 51)))
    rungs = SuccessiveHalving(Numbers(200), budgets).rungs
    assert [(rung.budget.epochs, rung.num_trials) for rung in rungs] == [(1, 81), (3, 27), (9, 9), (27, 3), (50, 1)]
    assert sum(rung.cost for rung in rungs) == pytest.approx((81 + 27 * 2 + 9 * 6 + 3 * 18 + 23) / 50)
    starts = [rung.num_trials for rung in Hyperband(Numbers(200), budgets).rungs if rung.bracket == 1]
    assert starts == [34, 11, 3, 1]
    assert describe_rungs(rungs)[1].split() == ["1", "1", "81", "1.62"]


def test_of_a_space_that_is_smaller_than_a_bracket_a_third_goes_on_as_well():
    rungs = SuccessiveHalving(Numbers(30), Budgets((1, 3, 9, 27, 81))).rungs
    assert [rung.num_trials for rung in rungs] == [30, 10, 3, 1, 1]


def test_rungs_round_up_and_keep_their_distance_from_the_full_budget():
    def epochs(each, smallest=None):
        return [budget.epochs for budget in rung_budgets(Budgets(each), 3, smallest)]

    assert epochs((12, 200)) == [12, 200]
    assert epochs((200, 400, 600, 2000, 10000)) == [200, 600, 2000, 10000]
    assert epochs((1, 3, 9, 10)) == [1, 3, 10]
    assert epochs((1, 2, 5, 50), smallest=2) == [2, 50]
    assert epochs((1, 2, 90, 100)) == [1, 100]
    assert epochs((1, 8, 9, 27, 81)) == [1, 8, 27, 81]
    with pytest.raises(ValueError, match="smallest has to be at least 1"):
        epochs((1, 2, 4, 8), smallest=0)


@pytest.mark.parametrize("make", [Asha, Hyperband, SuccessiveHalving])
def test_an_evaluator_that_measures_in_full_only_is_refused(make):
    with pytest.raises(ValueError, match="the evaluator has the full budget alone; give a table a curve"):
        make(Numbers(), Budgets((1,)))
