"""The loop and the finalists, on a space whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import Lookup, Numbers, dies_at

from nas_jax.errors import UserError
from nas_jax.objectives import Objective
from nas_jax.search.finalists import choose_winner, find_baselines, pick_baselines, pick_finalists, train_finalists
from nas_jax.search.loop import search
from nas_jax.settings import FinalistSettings, SearchSettings
from nas_jax.store import TrialStore
from nas_jax.strategies.random_search import RandomSearch
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.trial import BASELINES, Prediction, Trial

SPACE = Numbers()
SURROGATE = GaussianProcess(num_starts=1)


def run(store, evaluator=None, seed=0, num_trials=12, with_baseline=True):
    evaluator = evaluator or Lookup()
    objective = Objective()
    search(SPACE, RandomSearch(SPACE), evaluator, objective, store, SearchSettings(num_trials), seed=seed)
    return train_finalists(
        SPACE,
        SURROGATE,
        evaluator,
        objective,
        store,
        FinalistSettings(num_candidates=30, num_finalists=3, with_baseline=with_baseline),
        seed=seed,
    )


def test_every_trial_is_new_and_finished():
    store = TrialStore()
    run(store)
    trials = store.trials("search")
    assert [trial.id for trial in trials] == list(range(12))
    assert len({trial.genome for trial in trials}) == 12
    assert len({trial.seed for trial in trials}) == 12
    assert all(trial.status == "finished" and trial.metrics["val_accuracy"] == trial.genome[0] for trial in trials)


def test_the_same_seed_gives_the_same_run_and_another_one_does_not():
    runs = []
    for seed in (0, 0, 1):
        runs.append(store := TrialStore())
        run(store, seed=seed)
    assert runs[0].trials() == runs[1].trials()
    assert runs[0].trials() != runs[2].trials()


@pytest.mark.parametrize("dies", range(0, 15))
def test_a_run_that_is_interrupted_anywhere_ends_as_if_it_had_not_been(tmp_path, dies):
    undisturbed = TrialStore()
    run(undisturbed, with_baseline=False)
    path = tmp_path / "trials.jsonl"
    with TrialStore(path) as store, pytest.raises(KeyboardInterrupt):
        run(store, dies_at(dies), with_baseline=False)
    with TrialStore(path) as store:
        assert store.trials()[-1].status == "pending"
        finals = run(store, with_baseline=False)
        assert store.trials() == undisturbed.trials()
    assert choose_winner(Objective(), finals) == choose_winner(Objective(), undisturbed.trials("final"))


def test_finalists_whose_writing_was_cut_short_are_completed(tmp_path):
    undisturbed = TrialStore()
    run(undisturbed)
    path = tmp_path / "trials.jsonl"
    with TrialStore(path) as store, pytest.raises(KeyboardInterrupt):
        run(store, dies_at(12))
    lines = path.read_bytes().splitlines(keepends=True)
    first_final = next(i for i, line in enumerate(lines) if b'"final"' in line)
    for num_kept in (first_final, first_final + 1, first_final + 2):
        path.write_bytes(b"".join(lines[:num_kept]))
        with TrialStore(path) as store:
            run(store)
            assert store.trials() == undisturbed.trials()


def test_an_exhausted_space_ends_the_search():
    store = TrialStore()
    search(SPACE, RandomSearch(SPACE), Lookup(), Objective(), store, SearchSettings(99), seed=0)
    assert {trial.genome for trial in store.trials()} == {(i,) for i in range(50)}


def test_failures_are_recorded_with_their_reason_and_the_search_goes_on():
    store = TrialStore()
    finals = run(store, Lookup(fails=lambda genome: genome[0] % 3 == 0))
    failed = [trial for trial in store.trials("search") if trial.status == "failed"]
    assert failed
    assert all(trial.genome[0] % 3 == 0 and trial.metrics is None for trial in failed)
    assert failed[0].error == f"ArithmeticError: no result for {failed[0].genome}"
    assert choose_winner(Objective(), finals).genome[0] % 3


def test_a_search_in_which_everything_fails_stops():
    with pytest.raises(
        UserError, match="the first 10 trials have all failed \\(error: 10\\), the last one with: ArithmeticError"
    ):
        run(TrialStore(), Lookup(fails=lambda genome: True), num_trials=20)


def test_finalists_are_the_best_by_the_surrogate_among_tried_and_untried():
    store = TrialStore()
    search(SPACE, RandomSearch(SPACE), Lookup(), Objective(), store, SearchSettings(25), seed=0)
    finalists = pick_finalists(
        SPACE, SURROGATE, Objective(), store.trials(), FinalistSettings(num_candidates=25, num_finalists=5), seed=0
    )
    # The score is linear in the encoding, so the surrogate ranks all 50 numbers almost without error.
    assert {finalist.genome for finalist in finalists} == {(i,) for i in range(45, 50)}
    means = [finalist.prediction.mean for finalist in finalists]
    assert means == sorted(means, reverse=True)
    np.testing.assert_allclose(means, [finalist.genome[0] for finalist in finalists], atol=1.0)


@pytest.mark.parametrize(("best_is_tried", "num_baselines"), [(True, 0), (False, 1)])
def test_the_best_trial_of_the_search_is_the_baseline_unless_it_is_a_finalist(best_is_tried, num_baselines):
    """The score rises with the number; the finalists are the three largest of all that were tried or not."""
    store = TrialStore()
    numbers = [1, 5, 9, 20, 30, 49 if best_is_tried else 40]
    for id, number in enumerate(numbers):
        metrics = {"val_accuracy": float(number), "num_params": 1}
        store.put(Trial(id, (number,), str(number), "search", 0, "finished", metrics))
    settings = FinalistSettings(num_candidates=50, num_finalists=3)
    train_finalists(SPACE, SURROGATE, Lookup(), Objective(), store, settings, seed=0)
    assert {trial.genome for trial in store.trials("final")} == {(47,), (48,), (49,)}
    assert [trial.genome for trial in store.trials("baseline")] == [(numbers[-1],)] * num_baselines


def measured(id, number, stage="search", score=None, is_predicted=False):
    metrics = {"val_accuracy": float(number if score is None else score), "num_params": 1}
    prediction = Prediction(0.0, 1.0) if is_predicted else None
    return Trial(id, (number,), str(number), stage, 0, "finished", metrics, prediction=prediction)


def test_baselines_are_the_best_of_all_the_best_random_trial_and_the_reference():
    random = [measured(id, number) for id, number in enumerate([3, 8, 5])]
    guided = [measured(id, number, is_predicted=True) for id, number in enumerate([7, 20, 9], start=3)]
    settings = FinalistSettings(5, 1, reference=(33,))
    best, reference = ("baseline", (20,)), ("reference", (33,))
    assert pick_baselines(Objective(), [*random, *guided], settings) == [best, ("random", (8,)), reference]
    assert pick_baselines(Objective(), random, FinalistSettings(5, 1)) == [("baseline", (8,))]
    assert pick_baselines(Objective(), random, replace(settings, with_baseline=False)) == [reference]


def test_a_baseline_that_is_a_finalist_is_not_trained_again():
    store = TrialStore()
    for id, number in enumerate([1, 5, 9, 20, 30, 40]):
        store.put(measured(id, number, is_predicted=id >= 3))
    settings = FinalistSettings(num_candidates=50, num_finalists=3, reference=(48,))
    train_finalists(SPACE, SURROGATE, Lookup(), Objective(), store, settings, seed=0)
    assert {trial.genome for trial in store.trials("final")} == {(47,), (48,), (49,)}
    assert [trial.stage for trial in store.trials(*BASELINES)] == ["baseline", "random"]
    found = find_baselines(Objective(), store.trials(), settings)
    assert {stage: trial.genome for stage, trial in found.items()} == {
        "baseline": (40,),
        "random": (9,),
        "reference": (48,),
    }
    assert found["reference"].stage == "final"


def test_a_baseline_that_failed_is_left_out():
    trials = [measured(0, 5), measured(1, 5, "final", score=4), replace(measured(2, 33, "reference"), metrics=None)]
    settings = FinalistSettings(5, 1, reference=(33,))
    assert find_baselines(Objective(), trials, settings) == {"baseline": trials[1]}


def test_scores_that_the_surrogate_refuses_are_a_user_error():
    store = TrialStore()
    search(SPACE, RandomSearch(SPACE), Lookup(), Objective(), store, SearchSettings(5), seed=0)
    with pytest.raises(UserError, match=r"surrogate: y must be below upper_bound=1\.0.*the trials are kept"):
        pick_finalists(
            SPACE,
            GaussianProcess(warp="log_distance", upper_bound=1.0),
            Objective(),
            store.trials(),
            FinalistSettings(5, 1),
            seed=0,
        )


def test_too_few_scores_for_a_surrogate_is_a_user_error():
    with pytest.raises(UserError, match="0 of 0 trials have a score"):
        pick_finalists(SPACE, SURROGATE, Objective(), [], FinalistSettings(5, 1), seed=0)


def test_what_the_search_had_found_wins_where_no_finalist_is_better():
    final, equal, better = measured(1, 7, "final", 0.8), measured(2, 8, "baseline", 0.8), measured(3, 9, "random", 0.9)
    assert choose_winner(Objective(), [final, equal]) == final
    assert choose_winner(Objective(), [final, equal, better]) == better
    assert choose_winner(Objective(), [replace(final, metrics=None, status="failed"), equal]) == equal


def test_no_finalist_left_is_a_user_error():
    run(store := TrialStore(), with_baseline=False)
    failed = [replace(trial, status="failed", metrics=None, error="why") for trial in store.trials("final")]
    with pytest.raises(UserError, match="all 3 finalists failed, the last one with: why"):
        choose_winner(Objective(), failed)
