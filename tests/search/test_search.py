"""The loop and the finalists, on a space whose answer is known."""

import io
import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from fakes import Lookup, Numbers, dies_at
from made_runs import ACCURACY, SPACE, make_parts, make_run
from rich.console import Console

from nas_jax.budgets import Budgets
from nas_jax.constraints import Constraint
from nas_jax.display import Display
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Measurement, evaluate_serially, ignore
from nas_jax.listeners import Listeners
from nas_jax.objectives import Objective, Objectives
from nas_jax.search.finalists import (
    _substitute,
    choose_winner,
    find_baselines,
    pick_baselines,
    pick_finalists,
    train_finalists,
)
from nas_jax.search.loop import search
from nas_jax.settings import FinalistSettings, SearchSettings
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Proposal
from nas_jax.strategies.local_search import LocalSearch
from nas_jax.strategies.random_search import RandomSearch
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.trial import BASELINES, Budget, Trial

WITHOUT_BASELINE = FinalistSettings(30, 3, max_doublings=0, with_baseline=False)


def run_all(store, **parts):
    """A search and its finalists; returns the run."""
    run = make_run(store, **parts)
    search(run)
    train_finalists(run)
    return run


def searched(store, **parts):
    search(make_run(store, **parts))
    return store.trials("search")


def test_every_trial_is_new_and_finished():
    run_all(store := TrialStore())
    trials = store.trials("search")
    assert [trial.id for trial in trials] == list(range(12))
    assert len({trial.genome for trial in trials}) == 12
    assert len({trial.seed for trial in trials}) == 12
    assert all(trial.status == "finished" and trial.metrics["val_accuracy"] == trial.genome[0] for trial in trials)


def test_the_same_seed_gives_the_same_run_and_another_one_does_not():
    runs = []
    for seed in (0, 0, 1):
        runs.append(store := TrialStore())
        run_all(store, seed=seed)
    assert runs[0].trials() == runs[1].trials()
    assert runs[0].trials() != runs[2].trials()


@pytest.mark.parametrize("dies", range(0, 15))
def test_a_run_that_is_interrupted_anywhere_ends_as_if_it_had_not_been(tmp_path, dies):
    undisturbed = TrialStore()
    run_all(undisturbed, finals=WITHOUT_BASELINE)
    path = tmp_path / "trials.jsonl"
    with TrialStore(path) as store, pytest.raises(KeyboardInterrupt):
        run_all(store, evaluator=dies_at(dies), finals=WITHOUT_BASELINE)
    with TrialStore(path) as store:
        assert store.trials()[-1].status == "pending"
        run_all(store, finals=WITHOUT_BASELINE)
        assert store.trials() == undisturbed.trials()


def test_finalists_whose_writing_was_cut_short_are_completed(tmp_path):
    undisturbed = TrialStore()
    run_all(undisturbed)
    path = tmp_path / "trials.jsonl"
    with TrialStore(path) as store, pytest.raises(KeyboardInterrupt):
        run_all(store, evaluator=dies_at(12))
    lines = path.read_bytes().splitlines(keepends=True)
    first_final = next(i for i, line in enumerate(lines) if b'"final"' in line)
    for num_kept in (first_final, first_final + 1, first_final + 2):
        path.write_bytes(b"".join(lines[:num_kept]))
        with TrialStore(path) as store:
            run_all(store)
            assert store.trials() == undisturbed.trials()


def test_an_exhausted_space_ends_the_search():
    run, out = make_run(search=SearchSettings(99)), io.StringIO()
    display = Display(run.parts.objectives, Console(file=out))
    search(replace(run, listeners=Listeners((display,))))
    assert {trial.genome for trial in run.store.trials("search")} == {(i,) for i in range(50)}
    assert out.getvalue().count("the space has no more than these 50 genomes") == 1


def test_failures_are_recorded_with_their_reason_and_the_search_goes_on():
    run_all(store := TrialStore(), evaluator=Lookup(fails=lambda genome: genome[0] % 3 == 0))
    failed = [trial for trial in store.trials("search") if trial.status == "failed"]
    assert failed
    assert all(trial.genome[0] % 3 == 0 and trial.metrics is None for trial in failed)
    assert failed[0].error == f"ArithmeticError: no result for {failed[0].genome}"
    assert choose_winner(ACCURACY, store.trials("final")).genome[0] % 3


def test_a_search_in_which_everything_fails_stops():
    with pytest.raises(
        UserError, match="the first 10 trials have all failed \\(error: 10\\), the last one with: ArithmeticError"
    ):
        searched(TrialStore(), evaluator=Lookup(fails=lambda genome: True), search=SearchSettings(20))


def test_finalists_are_the_best_by_the_surrogate_among_tried_and_untried():
    trials = searched(TrialStore(), search=SearchSettings(25))
    finalists = pick_finalists(make_parts(finals=FinalistSettings(25, 5, max_doublings=0)), trials)
    # The score is linear in the encoding, so the surrogate ranks all 50 numbers almost without error.
    assert {finalist.genome for finalist in finalists} == {(i,) for i in range(45, 50)}
    means = [finalist.predictions[0].mean for finalist in finalists]
    assert means == sorted(means, reverse=True)
    np.testing.assert_allclose(means, [finalist.genome[0] for finalist in finalists], atol=1.0)


def test_finalists_hardly_depend_on_the_draw_of_hyperparameters():
    """Of the ten that one seed picks, another picks nine or more; of four draws they share fewer."""
    rng = np.random.default_rng(1)
    space = Numbers(400)
    noisy = {(i,): float(np.sin(i / 25) + 0.3 * rng.normal()) for i in range(400)}
    genomes = space.sample(rng, 40)
    trials = [
        Trial(i, genome, "", "search", 0, "finished", {"val_accuracy": noisy[genome]})
        for i, genome in enumerate(genomes)
    ]
    drawn = GaussianProcess(ard=False, hyperparameters="drawn", scale_inputs=False, warp="identity")

    def picked(max_doublings, seed):
        finals = FinalistSettings(400, 10, max_doublings)
        parts = make_parts(space, surrogate=drawn, targets="ranks", finals=finals)
        # The candidates are the whole space, whatever the seed: only the keys of the fits differ.
        return {finalist.genome for finalist in pick_finalists(parts._replace(seed=seed), trials)}

    default = FinalistSettings().max_doublings
    shared = [len(picked(default, seed) & picked(default, seed + 100)) for seed in range(6)]
    assert np.mean(shared) >= 9
    assert np.mean(shared) > np.mean([len(picked(0, seed) & picked(0, seed + 100)) for seed in range(6)])


@pytest.mark.parametrize(("best_is_tried", "num_baselines"), [(True, 0), (False, 1)])
def test_the_best_trial_of_the_search_is_the_baseline_unless_it_is_a_finalist(best_is_tried, num_baselines):
    """The score rises with the number; the finalists are the three largest of all that were tried or not."""
    store = TrialStore()
    numbers = [1, 5, 9, 20, 30, 49 if best_is_tried else 40]
    store.put(*(measured(id, number) for id, number in enumerate(numbers)))
    train_finalists(make_run(store, finals=FinalistSettings(50, 3, max_doublings=0)))
    assert {trial.genome for trial in store.trials("final")} == {(47,), (48,), (49,)}
    assert [trial.genome for trial in store.trials("baseline")] == [(numbers[-1],)] * num_baselines


def measured(id, number, stage="search", score=None):
    metrics = {"val_accuracy": float(number if score is None else score), "num_params": 1}
    return Trial(id, (number,), str(number), stage, 0, "finished", metrics)


AMONG_TRIED = FinalistSettings(0, 2, max_doublings=0)


def go_on(run, *numbers):
    """The search goes on with these numbers; then finalists are trained, and one is handed over."""
    first = run.store.next_id()
    run.store.put(*(measured(first + place, number) for place, number in enumerate(numbers)))
    train_finalists(run)
    run.best.mkdir(exist_ok=True)


def test_after_a_search_that_went_on_finalists_are_picked_anew_and_each_best_is_kept():
    run = make_run(finals=AMONG_TRIED)
    found = []
    for numbers in ([1, 2, 3], [7, 8], [0], [9]):
        go_on(run, *numbers)
        found.append([trial.genome[0] for trial in run.store.trials("final", "baseline")])
    assert [sorted(genomes) for genomes in found] == [[2, 3], [2, 3, 7, 8], [2, 3, 7, 8], [2, 3, 7, 8, 9]]
    # The one after six is still that of five: the sixth changed nothing.
    assert sorted(path.name for path in run.workdir.glob("best*")) == ["best", "best_after_3", "best_after_5"]


def test_a_reference_that_the_search_finds_later_may_win_and_no_baseline_is_trained_twice():
    run = make_run(finals=replace(AMONG_TRIED, reference=(30,)))
    go_on(run, 1, 2, 3)
    go_on(run, 30, 4)
    go_on(run, 5)
    trained = [(trial.stage, trial.genome[0]) for trial in run.store.trials() if trial.stage != "search"]
    assert sorted(trained) == [("final", 2), ("final", 3), ("final", 4), ("final", 5), ("final", 30), ("reference", 30)]


def test_later_finalists_whose_writing_was_cut_short_are_completed(tmp_path):
    path = tmp_path / "trials.jsonl"
    with TrialStore(path) as store:
        go_on(make_run(store, finals=AMONG_TRIED), 1, 2, 3)
        go_on(make_run(store, finals=AMONG_TRIED), 7, 8)
        undisturbed = store.trials()
    lines = path.read_bytes().splitlines(keepends=True)
    first_later = next(i for i, line in enumerate(lines) if b'"final"' in line and json.loads(line)["id"] > 6)
    for num_kept in (first_later, first_later + 1, first_later + 3):
        path.write_bytes(b"".join(lines[:num_kept]))
        with TrialStore(path) as store:
            train_finalists(make_run(store, finals=AMONG_TRIED))
            assert store.trials() == undisturbed


def test_baselines_are_the_best_of_all_the_best_random_trial_and_the_reference():
    """A local search says that its first three trials are random; random search, that all are."""
    trials = [measured(id, number) for id, number in enumerate([3, 8, 5, 7, 20, 9])]
    settings = FinalistSettings(5, 1, reference=(33,))
    local = make_parts(strategy=LocalSearch(SPACE, num_initial=3), finals=settings)
    best, reference = ("baseline", (20,)), ("reference", (33,))
    assert pick_baselines(local, trials) == [best, ("random", (8,)), reference]
    assert pick_baselines(make_parts(finals=settings), trials) == [best, reference]
    without = make_parts(finals=replace(settings, with_baseline=False))
    assert pick_baselines(without, trials) == [reference]


def test_the_best_random_genome_is_that_of_the_largest_budget():
    """After two epochs the second one was better, and in full the first one."""
    begun = [replace(measured(id, id, score=score), budget=Budget(2)) for id, score in enumerate([0.40, 0.42, 0.1])]
    full = [replace(measured(3 + id, id, score=score), continues=id) for id, score in enumerate([0.7, 0.55])]
    better = replace(measured(5, 20, score=0.8), budget=None)
    parts = make_parts(strategy=LocalSearch(SPACE, num_initial=3), finals=FinalistSettings(5, 1))
    assert pick_baselines(parts, [*begun, *full, better]) == [("baseline", (20,)), ("random", (0,))]


def test_a_baseline_that_is_a_finalist_is_not_trained_again():
    store = TrialStore()
    store.put(*(measured(id, number) for id, number in enumerate([1, 5, 9, 20, 30, 40])))
    finals = FinalistSettings(50, 3, max_doublings=0, reference=(48,))
    run = make_run(store, strategy=LocalSearch(SPACE, num_initial=3), finals=finals)
    train_finalists(run)
    assert {trial.genome for trial in store.trials("final")} == {(47,), (48,), (49,)}
    assert [trial.stage for trial in store.trials(*BASELINES)] == ["baseline", "random"]
    found = find_baselines(run.parts, store.trials())
    assert {stage: trial.genome for stage, trial in found.items()} == {
        "baseline": (40,),
        "random": (9,),
        "reference": (48,),
    }
    assert found["reference"].stage == "final"


def test_a_baseline_that_failed_is_left_out():
    trials = [measured(0, 5), measured(1, 5, "final", score=4), replace(measured(2, 33, "reference"), metrics=None)]
    parts = make_parts(finals=FinalistSettings(5, 1, reference=(33,)))
    assert find_baselines(parts, trials) == {"baseline": trials[1]}


def test_scores_that_the_surrogate_refuses_are_a_user_error():
    trials = searched(TrialStore(), search=SearchSettings(5))
    bounded = GaussianProcess(warp="log_distance", upper_bound=1.0)
    with pytest.raises(UserError, match=r"surrogate: y must be below upper_bound=1\.0.*set another --config\.targets"):
        pick_finalists(make_parts(surrogate=bounded), trials)


def test_too_few_scores_for_a_surrogate_is_a_user_error():
    with pytest.raises(UserError, match="0 of 0 trials have a score"):
        pick_finalists(make_parts(), [])


def test_what_the_search_had_found_wins_where_no_finalist_is_better():
    final, equal, better = measured(1, 7, "final", 0.8), measured(2, 8, "baseline", 0.8), measured(3, 9, "random", 0.9)
    assert choose_winner(ACCURACY, [final, equal]) == final
    assert choose_winner(ACCURACY, [final, equal, better]) == better
    assert choose_winner(ACCURACY, [replace(final, metrics=None, status="failed"), equal]) == equal


def test_no_finalist_left_is_a_user_error():
    run_all(store := TrialStore(), finals=WITHOUT_BASELINE)
    failed = [replace(trial, status="failed", metrics=None, error="why") for trial in store.trials("final")]
    with pytest.raises(UserError, match="all 3 finalists failed, the last one with: why"):
        choose_winner(ACCURACY, failed)
    with pytest.raises(UserError, match="there are no finalists to choose from"):
        choose_winner(ACCURACY, [])


# What comes later finds its place: a strategy with budgets, and one with two objectives.


@dataclass(frozen=True)
class Rungs:
    """Measures each number for one epoch, and takes the best third of every nine for another two."""

    space: object = SPACE

    def propose(self, rng, history, num):
        first = [place for place, budget in enumerate(history.budgets) if budget == Budget(1)]
        continued = {history.genomes[place] for place, budget in enumerate(history.budgets) if budget == Budget(3)}
        if len(first) == 9:
            best = sorted(first, key=lambda place: -history.scores[place])[:3]
            left = [place for place in best if history.genomes[place] not in continued]
            if left:
                return [Proposal(history.genomes[left[0]], Budget(3), continues=history.ids[left[0]])]
        return [Proposal(genome, Budget(1)) for genome in self.space.sample(rng, num, exclude=history.known)]


@dataclass(frozen=True)
class Curves:
    """The accuracy of number i grows with the epochs, from where the trial that is continued stood."""

    metric_names = ("val_accuracy", "num_params")
    dies: int | None = None  # the trial in which the evaluator is interrupted

    def measure(self, trial, report):
        if trial.id == self.dies:
            raise KeyboardInterrupt
        start = 0 if trial.continues is None else 1
        accuracy = trial.genome[0] * trial.budget.epochs / (trial.budget.epochs + 1)
        metrics = {"val_accuracy": accuracy, "num_params": 100 - trial.genome[0], "epochs": trial.budget.epochs - start}
        return Measurement(metrics, {"train": 1.0})

    def evaluate(self, requests, report=None):
        return evaluate_serially(self.measure, requests)


def test_a_strategy_can_propose_a_genome_at_two_budgets_and_continue_a_trial(tmp_path):
    path = tmp_path / "trials.jsonl"
    settings = SearchSettings(12)
    with TrialStore(path) as store:
        searched(store, strategy=Rungs(), evaluator=Curves(), search=settings)
    with TrialStore(path) as store:
        trials = store.trials()
        history = ACCURACY.history(trials)
    first, second = trials[:9], trials[9:]
    assert {trial.budget for trial in first} == {Budget(1)}
    assert [trial.budget for trial in second] == [Budget(3)] * 3
    best = sorted(first, key=lambda trial: -trial.metrics["val_accuracy"])[:3]
    assert [trial.continues for trial in second] == [trial.id for trial in best]
    assert [trial.genome for trial in second] == [trial.genome for trial in best]
    assert all(trial.metrics["epochs"] == 2 for trial in second)
    assert history.budgets == (Budget(1),) * 9 + (Budget(3),) * 3


@pytest.mark.parametrize(("num_failing", "winner"), [(0, 39), (3, 36), (10, 29), (40, None)])
def test_the_next_best_takes_the_place_of_finalists_that_diverge(num_failing, winner):
    class Late:
        """Number i gives i; of the largest the full training diverges."""

        metric_names = ("val_accuracy",)

        def measure(self, trial, report=ignore):
            if trial.stage == "final" and trial.genome[0] >= 40 - num_failing:
                raise FloatingPointError("it has diverged")
            return Measurement({"val_accuracy": float(trial.genome[0])}, {"train": 0.0})

        def evaluate(self, requests, report=ignore):
            return evaluate_serially(self.measure, requests, report)

    finals = FinalistSettings(num_finalists=1, pick="incumbent", with_baseline=False)
    run = make_run(
        TrialStore(), evaluator=Late(), finals=finals, space=Numbers(num=40), search=SearchSettings(num_trials=40)
    )
    search(run)
    train_finalists(run)
    finalists = run.store.trials("final")
    assert [trial.genome[0] for trial in finalists] == [39 - i for i in range(min(num_failing, 10) + 1)]
    if winner is None:
        with pytest.raises(UserError, match=r"all 11 finalists failed, the last one with: .* search for longer"):
            choose_winner(run.parts.objectives, finalists)
    else:
        assert choose_winner(run.parts.objectives, finalists).genome == (winner,)


def test_without_finalists_nothing_takes_their_place():
    finals = FinalistSettings(num_finalists=1, pick="incumbent", with_baseline=False)
    run = make_run(TrialStore(), finals=finals, search=SearchSettings(num_trials=4))
    search(run)
    assert _substitute(run) is None


def test_incumbents_are_the_best_of_the_largest_budget_then_of_the_smaller_one():
    trials = searched(TrialStore(), strategy=Rungs(), evaluator=Curves(), search=SearchSettings(12))
    parts = make_parts(finals=FinalistSettings(num_finalists=5, pick="incumbent"))
    longest = sorted((trial.genome for trial in trials if trial.budget == Budget(3)), reverse=True)
    others = sorted({trial.genome for trial in trials} - set(longest), reverse=True)
    picked = pick_finalists(parts, trials)
    assert [proposal.genome for proposal in picked] == [*longest, *others[:2]]
    assert all(proposal.budget is None and not proposal.predictions for proposal in picked)


def test_without_a_score_there_is_no_incumbent():
    parts = make_parts(finals=FinalistSettings(pick="incumbent"))
    with pytest.raises(UserError, match="none of 1 trials has a score; the last failure: why"):
        pick_finalists(parts, [replace(measured(0, 7), status="failed", metrics=None, error="why")])


@pytest.mark.parametrize("dies", [None, 3, 10])
def test_a_search_ends_before_the_trial_that_would_cost_too_much(tmp_path, dies):
    """Nine trials of a third, three that add two thirds: another third would pass a cost of five."""
    path, settings = tmp_path / "trials.jsonl", SearchSettings(None, max_cost=5.0)
    parts = {"strategy": Rungs(), "search": settings, "budgets": Budgets((1, 2, 3))}
    if dies is not None:
        with TrialStore(path) as store, pytest.raises(KeyboardInterrupt):
            searched(store, evaluator=Curves(dies), **parts)
    with TrialStore(path) as store:
        trials = searched(store, evaluator=Curves(), **parts)
    assert [trial.budget.epochs for trial in trials] == [1] * 9 + [3] * 3
    assert sum(Budgets((1, 2, 3)).costs(trials)) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("max_cost", "budgets", "cost"), [(0.5, Budgets((1,)), "1"), (0.01, Budgets((1, 2, 40)), "0.025")]
)
def test_a_search_that_can_afford_no_trial_says_what_the_first_one_costs(max_cost, budgets, cost):
    strategy = RandomSearch(SPACE) if len(budgets.each) == 1 else Rungs()
    run = make_run(strategy=strategy, search=SearchSettings(None, max_cost=max_cost), budgets=budgets)
    with pytest.raises(
        UserError,
        match=f"^search.max_cost={max_cost} is less than the {cost} full trainings that the .* costs; raise --config",
    ):
        search(run)
    assert not run.store.trials()


def test_a_search_without_an_end_is_refused():
    with pytest.raises(ValueError, match="would never end"):
        SearchSettings(num_trials=None)


@dataclass(frozen=True)
class Sizes:
    """Number 30 is the largest network: from there on, numbers are better in both."""

    metric_names = ("val_accuracy", "num_params")

    def measure(self, trial, report):
        (number,) = trial.genome
        metrics = {"val_accuracy": float(number), "num_params": 30 - abs(number - 30)}
        return Measurement(metrics, {"train": 1.0})

    def evaluate(self, requests, report=None):
        return evaluate_serially(self.measure, requests)


@dataclass(frozen=True)
class Thrifty:
    """Tries what lies next to a random member of the front."""

    space: object = SPACE

    def propose(self, rng, history, num):
        values = history.values
        is_best = [not any((other >= value).all() and (other > value).any() for other in values) for value in values]
        front = [genome for genome, is_on in zip(history.genomes, is_best, strict=True) if is_on]
        near = [(genome[0] + step,) for genome in front for step in (-1, 1) if 0 <= genome[0] + step < 50]
        new = [genome for genome in near if genome not in history.known]
        return [Proposal(new[0] if new else self.space.sample(rng, 1, exclude=history.known)[0])]


def test_a_strategy_can_read_two_objectives():
    both = Objectives((Objective(), Objective("num_params", maximize=False)))
    trials = searched(TrialStore(), strategy=Thrifty(), evaluator=Sizes(), objectives=both, search=SearchSettings(30))
    history = both.history(trials)
    assert history.values.shape == (30, 2)
    np.testing.assert_array_equal(history.values[:, 1], [-trial.metrics["num_params"] for trial in trials])
    front = both.front(trials)
    dominated = [
        any(
            other.metrics["val_accuracy"] >= trial.metrics["val_accuracy"]
            and other.metrics["num_params"] <= trial.metrics["num_params"]
            and other.genome != trial.genome
            for other in trials
        )
        for trial in trials
    ]
    assert front == [trial for trial, is_dominated in zip(trials, dominated, strict=True) if not is_dominated]
    assert len(front) > 1


def test_the_surrogate_of_the_finalists_sees_one_budget_and_each_genome_once():
    """Values of the first epoch flatter: mixed with those of the third they would lead."""
    flattering = [replace(measured(id, id, score=100 + id), budget=Budget(1)) for id in range(20, 30)]
    longer = [
        replace(measured(30 + place, number), budget=Budget(3), continues=place)
        for place, number in enumerate((20, 22, 24, 26))
    ]
    parts = make_parts(finals=FinalistSettings(10, 4, max_doublings=0))
    picked = pick_finalists(parts, [*flattering, *longer])
    assert len({proposal.genome for proposal in picked}) == 4
    assert max(proposal.predictions[0].mean for proposal in picked) < 60
    tried = {trial.genome for trial in flattering} - {trial.genome for trial in longer}
    assert not tried & {proposal.genome for proposal in picked}


def test_one_score_at_each_budget_is_too_few_for_a_surrogate():
    trials = [replace(measured(0, 5), budget=Budget(1)), replace(measured(1, 5), budget=Budget(3), continues=0)]
    with pytest.raises(UserError, match="1 of 2 trials have a score after one budget, the surrogate needs two"):
        pick_finalists(make_parts(), trials)


def test_what_diverged_later_is_neither_an_incumbent_nor_a_baseline():
    trials = [replace(measured(id, id), budget=Budget(1)) for id in range(1, 4)]
    trials.append(replace(measured(4, 3), status="failed", metrics=None, error="diverged", continues=3))
    parts = make_parts(finals=FinalistSettings(num_finalists=2, pick="incumbent"))
    assert [proposal.genome for proposal in pick_finalists(parts, trials)] == [(2,), (1,)]
    assert pick_baselines(parts, trials) == [("baseline", (2,))]
    local = parts._replace(strategy=LocalSearch(SPACE, num_initial=3))
    assert pick_baselines(local, trials) == [("baseline", (2,))]  # as all genomes were drawn at random
    proposed = replace(measured(5, 9, score=0), budget=Budget(1))
    assert pick_baselines(local, [*trials, proposed]) == [("baseline", (2,)), ("random", (2,))]


def test_an_incumbent_keeps_the_constraints_or_the_message_names_them():
    """All with the largest budget break the limit: one with less is taken, or none."""
    trials = [replace(measured(id, id), budget=Budget(1)) for id in (1, 2, 7)]
    trials.append(replace(measured(8, 7), budget=Budget(3), continues=7))
    small = Objectives((Objective(),), (Constraint("val_accuracy", at_most=6),))
    parts = make_parts(objectives=small, finals=FinalistSettings(num_finalists=1, pick="incumbent"))
    assert [proposal.genome for proposal in pick_finalists(parts, trials)] == [(2,)]
    with pytest.raises(
        UserError, match=r"none of the 2 trials that have a score keeps val_accuracy <= 6; search again"
    ):
        pick_finalists(parts, trials[2:])
