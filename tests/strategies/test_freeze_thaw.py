"""Freeze-thaw on curves that are known."""

from functools import cache

import numpy as np
import pytest
from histories import make_history
from made_runs import make_run
from written_tables import write_csv

from nas_jax.budgets import Budgets
from nas_jax.evaluators.tabular import Tabular
from nas_jax.objectives import Objective, Objectives
from nas_jax.search.loop import search
from nas_jax.settings import SearchSettings
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.chain import Chain
from nas_jax.strategies import curve_views, freeze_thaw
from nas_jax.strategies.choices import choices_of, relative_seconds
from nas_jax.strategies.freeze_thaw import FreezeThaw
from nas_jax.strategies.pools import Pool
from nas_jax.surrogates.base import as_posterior
from nas_jax.trial import Budget

pytestmark = pytest.mark.usefixtures("compiled_quickly")

LOSS = Objectives((Objective("loss", maximize=False),))
EPOCHS = (1, 2, 4, 8, 16, 32)
SPACE = Categorical(genes=(("depth", tuple(range(1, 21))), ("width", (16, 32, 64, 128))))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A bowl over depth and width, with the same fall towards it; one training in ten diverges."""
    rng = np.random.default_rng(0)
    rows = []
    for depth in range(1, 21):
        for width in (16, 32, 64, 128):
            final = (depth - 12) ** 2 / 60 + (np.log2(width) - 6) ** 2 / 6 + 0.02 * rng.normal()
            curve = [final + 2 / epochs + 0.02 * rng.normal() for epochs in EPOCHS]
            length = int(rng.integers(1, 6)) if rng.random() < 0.1 else len(EPOCHS)
            rows.append((depth, width, *curve[:length], *[""] * (len(EPOCHS) - length)))
    header = ("depth", "width", *(f"loss_{epochs}" for epochs in EPOCHS))
    return str(write_csv(tmp_path_factory.mktemp("losses") / "losses.csv", header, rows))


@cache
def searched(path, num_workers=1):
    """The trials of a search that may cost as much as seven trainings."""
    space = Categorical(path=path, genes="depth,width")
    evaluator = Tabular(space, path, curve="loss_{}", num_workers=num_workers)
    run = make_run(
        space=space,
        strategy=FreezeThaw(space, evaluator.budgets, num_initial=10),
        evaluator=evaluator,
        objectives=LOSS,
        search=SearchSettings(None, max_cost=7.0),
        budgets=evaluator.budgets,
        seed=0,
    )
    search(run)
    return run.store.trials()


@pytest.mark.parametrize("num_workers", [1, 3])
def test_it_trains_the_best_in_full_at_the_cost_of_a_few(path, num_workers):
    """The cost of seven of eighty trainings: what it would hand over is among the best three."""
    trials = searched(path, num_workers=num_workers)
    table = Tabular(Categorical(path=path, genes="depth,width"), path, curve="loss_{}").table
    finals = sorted(float(row["loss_32"]) for row in table.rows if row["loss_32"] not in ("", None))
    best = LOSS.front(trials)[0]
    assert best.budget == Budget(32)
    assert best.metrics["loss"] <= finals[2]
    assert sum(Budgets(EPOCHS).costs(trials)) <= 7


def test_it_continues_what_has_ended_by_one_rung_and_nothing_twice(path):
    trials = {trial.id: trial for trial in searched(path, num_workers=3)}
    continued = [trial for trial in trials.values() if trial.continues is not None]
    assert continued
    for trial in continued:
        before = trials[trial.continues]
        assert before.status == "finished"
        assert before.genome == trial.genome
        assert EPOCHS.index(trial.budget.epochs) == EPOCHS.index(before.budget.epochs) + 1
    assert len({(trial.genome, trial.budget) for trial in trials.values()}) == len(trials)
    assert all(trial.budget == Budget(1) for trial in trials.values() if trial.continues is None)


@pytest.mark.parametrize(
    ("reached", "pending", "is_open"),
    [
        ([1, 1, 1], [], [True] * 3),
        ([1, 1, 1, 1, 1, 2], [], [True, True, True, True, True, False]),
        ([1, 1, 2, 2, 2], [], [False, False, True, True, True]),
        ([1, 1, 1, 2, 2], [2], [False, False, False, True, True]),
        ([1, 1, 1, 2, 2], [], [True] * 5),  # none would be, and nothing is left to begin
    ],
)
def test_three_have_come_to_a_rung_for_each_that_goes_on(reached, pending, is_open):
    genomes, num = SPACE.sample(np.random.default_rng(0), len(reached) + len(pending)), len(reached)
    history = make_history(genomes[:num], np.zeros(num), pending=genomes[num:])
    history = history._replace(budgets=tuple(map(Budget, reached)), pending_budgets=tuple(map(Budget, pending)))
    features = Pool(np.zeros((len(genomes), 1)), [], np.zeros((0, 1)))
    found = choices_of(features, history, tuple(map(Budget, EPOCHS)), Budgets(EPOCHS))
    assert found.is_open.tolist() == is_open


@pytest.mark.parametrize(("incumbent", "other", "catches_up"), [(-1.0, 1.0, True), (3.0, -3.0, False)])
def test_what_promises_more_than_the_incumbent_catches_up_with_it(incumbent, other, catches_up):
    """Two have come to the second rung besides it: by the rule none of them would go on."""
    genomes = SPACE.sample(np.random.default_rng(0), 13)
    reached = (32, 2, 2, *[1] * 10)
    values = np.array([incumbent, other, 0.0, *np.random.default_rng(1).normal(0, 0.1, 10)])
    history = make_history(genomes, values)._replace(budgets=tuple(map(Budget, reached)))
    strategy = FreezeThaw(SPACE, Budgets(EPOCHS), num_initial=5)
    proposals = [strategy.propose(np.random.default_rng(seed), history, 1)[0] for seed in range(20)]
    assert ((genomes[1], Budget(4)) in {(each.genome, each.budget) for each in proposals}) == catches_up


@pytest.mark.parametrize(
    ("one", "other", "catches_up"),
    [((3, 1), (-4, 1), {2}), ((-4, 1), (3, 1), {2}), ((3, -2), (-2, 0.5), {1}), ((1, -9), (-2, -9), set())],
)
def test_who_catches_up_is_for_both_views_to_say(monkeypatch, one, other, catches_up):
    """Each says of two trainings by how many deviations they end better than the incumbent."""
    genomes = SPACE.sample(np.random.default_rng(0), 13)
    history = make_history(genomes, np.zeros(13))._replace(budgets=tuple(map(Budget, (32, 2, 2, *[1] * 10))))

    def said_views(*arguments):
        for view, leads in zip(curve_views.views_of(*arguments), (one, other), strict=True):
            deviations = np.full(len(view.ends.mean), -9.0)
            deviations[:2] = leads
            mean = view.incumbent + deviations * view.state.y_std
            yield view._replace(ends=as_posterior(mean, np.full(len(mean), 1e-6)))

    monkeypatch.setattr(freeze_thaw, "views_of", lambda *arguments: list(said_views(*arguments)))
    strategy = FreezeThaw(SPACE, Budgets(EPOCHS), num_initial=5)
    proposals = [strategy.propose(np.random.default_rng(seed), history, 1)[0] for seed in range(20)]
    assert {genomes.index(each.genome) for each in proposals if each.budget == Budget(4)} == catches_up


def test_predictions_are_by_ranks_which_know_the_worst_values_too(monkeypatch):
    """They come from the first view whichever says what to do: here the other one cannot tell values."""
    history = make_history(SPACE.sample(np.random.default_rng(0), 12), np.random.default_rng(1).normal(size=12))
    history = history._replace(budgets=(Budget(1),) * 12)

    def views_of(*arguments):
        by_rank, by_value = curve_views.views_of(*arguments)
        assert by_rank.targets.values.sum() == pytest.approx(0)  # normal scores
        return [by_rank, by_value._replace(targets=by_value.targets._replace(inverse=lambda values: np.nan * values))]

    monkeypatch.setattr(freeze_thaw, "views_of", views_of)
    strategy = FreezeThaw(SPACE, Budgets(EPOCHS), num_initial=5)
    for seed in range(8):
        (proposal,) = strategy.propose(np.random.default_rng(seed), history, 1)
        assert np.isfinite(proposal.predictions).all()


def test_a_training_below_the_first_rung_may_come_to_it():
    """As where a search goes on with larger rungs."""
    history = make_history(SPACE.sample(np.random.default_rng(0), 2), np.zeros(2))._replace(budgets=(Budget(1),) * 2)
    features = Pool(np.zeros((2, 1)), [], np.zeros((0, 1)))
    found = choices_of(features, history, tuple(map(Budget, EPOCHS[1:])), Budgets(EPOCHS))
    assert found.budgets == [Budget(2)] * 2
    assert found.is_open.tolist() == [True] * 2


def test_proposals_do_not_depend_on_what_is_remembered():
    genomes = SPACE.sample(np.random.default_rng(0), 30)
    history = make_history(genomes, np.random.default_rng(1).normal(size=30))
    history = history._replace(budgets=tuple(Budget(EPOCHS[place % 3]) for place in range(30)))
    strategy = FreezeThaw(SPACE, Budgets(EPOCHS), num_initial=5)
    first = strategy.propose(np.random.default_rng(2), history, 3)
    curve_views._optimised_bytes.cache_clear()
    assert strategy.propose(np.random.default_rng(2), history, 3) == first


def test_an_evaluator_without_budgets_is_refused():
    with pytest.raises(ValueError, match="stops trainings early"):
        FreezeThaw(SPACE, Budgets((1,)))


def test_by_flops_it_begins_with_cheaper_networks_where_nothing_is_known():
    space = Chain((8, 8, 1), 4, conv_filters=(4, 64), min_feature_layers=1, max_feature_layers=2)
    genomes = space.sample(np.random.default_rng(0), 8)
    history = make_history(genomes, np.random.default_rng(1).normal(size=8))
    history = history._replace(budgets=(Budget(1),) * 8)

    def flops(*, by_flops):
        strategy = FreezeThaw(space, Budgets((1, 8)), num_initial=5, by_flops=by_flops)
        proposals = [strategy.propose(np.random.default_rng(seed), history, 1)[0] for seed in range(60)]
        return np.mean([space.cost(each.genome).flops for each in proposals if each.continues is None])

    assert flops(by_flops=True) < 0.5 * flops(by_flops=False)


def test_seconds_are_a_line_over_flops_whose_mean_is_one():
    space = Chain((8, 8, 1), 4, conv_filters=(4, 16), fc_units=(8,), min_feature_layers=1, max_feature_layers=1)
    genomes = list(space.genomes())
    flops = np.array([space.cost(genome).flops for genome in genomes])
    seconds = relative_seconds(space, genomes)
    assert len(genomes) < 200
    assert seconds.mean() == pytest.approx(1)
    np.testing.assert_allclose(seconds, np.polyval(np.polyfit(flops, seconds, 1), flops))
    assert 0 < np.polyfit(flops, seconds, 1)[1] < 0.5


def test_by_flops_needs_a_space_of_networks():
    with pytest.raises(ValueError, match="by_flops: Categorical knows no networks"):
        FreezeThaw(SPACE, Budgets(EPOCHS), by_flops=True)


@pytest.mark.parametrize("budgets", [(100, 120), (1, 3, 9, 27)])
def test_budgets_that_are_near_and_tables_with_few_rows_are_searched_to_the_end(tmp_path, budgets):
    """With one rung everything is trained in full; with fewer rows than `num_initial` all begin, and then go on."""
    rows = [(depth, width, *(depth + 1 / each for each in budgets)) for depth in range(5) for width in (1, 2, 3)]
    header = ("depth", "width", *(f"loss_{each}" for each in budgets))
    path = str(write_csv(tmp_path / "few.csv", header, rows))
    space = Categorical(path=path, genes="depth,width")
    evaluator = Tabular(space, path, curve="loss_{}")
    run = make_run(
        space=space,
        strategy=FreezeThaw(space, evaluator.budgets, num_initial=27 if len(budgets) > 2 else 5),
        evaluator=evaluator,
        objectives=LOSS,
        search=SearchSettings(None, max_cost=60.0),
        budgets=evaluator.budgets,
    )
    search(run)
    in_full = [trial for trial in run.store.trials() if trial.budget == evaluator.budgets.full]
    assert len(in_full) == len({trial.genome for trial in in_full}) == 15
