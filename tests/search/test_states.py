"""A search with rungs that trains networks: stopped anywhere it ends the same, and it leaves no state behind."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from made_runs import make_parts

from nas_jax.budgets import Budgets, budgets_of
from nas_jax.curve_log import CurveLog, read_curves, whole_curve
from nas_jax.data.synthetic import Synthetic
from nas_jax.evaluators.base import evaluate_serially, ignore
from nas_jax.evaluators.training import Training
from nas_jax.listeners import Listener, Listeners
from nas_jax.run import Run
from nas_jax.search.loop import search
from nas_jax.search.states import kept_states
from nas_jax.settings import SearchSettings
from nas_jax.spaces.chain import Chain
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Proposal
from nas_jax.tasks.classification import Classification
from nas_jax.train.recipe import Recipe
from nas_jax.train.states import Leaf, Stopped, write_state
from nas_jax.trial import Budget, Trial

SPACE = Chain((8, 8, 1), 4, conv_filters=(4,), fc_units=(8,), max_feature_layers=2)
SOURCE = Synthetic(num_train=32, num_val=20, num_test=10)
RECIPE = Recipe(num_epochs=3, batch_size=16, learning_rate=0.05)
STOPS = (1, 2, 3)


@dataclass(frozen=True)
class Rungs:
    """Four genomes for an epoch, the better two of them for another one, the best of these in full."""

    space: object = SPACE

    def propose(self, rng, history, num):
        trained = {genome: [] for genome in history.genomes}
        for place, genome in enumerate(history.genomes):
            trained[genome].append(place)
        if len(trained) < 4:
            return [Proposal(genome, Budget(1)) for genome in self.space.sample(rng, 1, exclude=history.known)]
        for rung, num_kept in ((0, 2), (1, 1)):
            reached = [places for places in trained.values() if len(places) > rung]
            best = sorted(reached, key=lambda places: -history.scores[places[rung]])[:num_kept]
            for places in best:
                if len(places) == rung + 1:
                    return [Proposal(history.genomes[places[0]], Budget(STOPS[rung + 1]), history.ids[places[rung]])]
        return []


@dataclass(frozen=True)
class Stopping:
    """Trains as `evaluator` does, until interrupted: "before" a trial, "within" it, or "after" it, not yet stored."""

    evaluator: Training
    trial: int | None = None
    when: str = "before"

    @property
    def metric_names(self):
        return self.evaluator.metric_names

    def evaluate(self, requests, report=ignore):
        return evaluate_serially(self._measure, requests, report)

    def _measure(self, trial, report):
        def told(progress):
            report(progress)
            self._stop(trial, "within")

        self._stop(trial, "before")
        measurement = self.evaluator.measure(trial, told)
        self._stop(trial, "after")
        return measurement

    def _stop(self, trial, when):
        if (trial.id, when) == (self.trial, self.when):
            raise KeyboardInterrupt


@dataclass(frozen=True)
class Noted:
    """A listener that keeps what it is told in `notes`, and calls `look` whenever a trial is stored."""

    notes: list
    look: object = None

    def note(self, text):
        self.notes.append(text)

    def begin(self, stage, num_trials, ended): ...

    def progress(self, progress): ...

    def trial(self, trial):
        if self.look:
            self.look()

    def round(self, round): ...

    def end(self, outcome): ...


def run_search(folder, stopping=None, look=None, **settings):
    """A search in a folder, which may hold an interrupted one; its trials without their times, and its notes."""
    notes = []
    evaluator = Training(SPACE, SOURCE, Classification(), RECIPE, state_dir=folder / "states")
    with TrialStore(folder / "trials.jsonl") as store:
        parts = make_parts(
            SPACE,
            Rungs(),
            Stopping(evaluator, *stopping) if stopping else evaluator,
            search=SearchSettings(20, **settings),
            budgets=budgets_of(evaluator),
        )
        listeners = Listeners((CurveLog(folder / "curves.jsonl"), Noted(notes, look)))
        search(Run(parts, store, listeners, folder, state_dir=folder / "states"))
        return [replace(trial, seconds=None) for trial in store.trials()], notes


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calm")
    sizes = []
    trials, notes = run_search(
        folder, look=lambda: sizes.append(len(list((folder / "states").glob("*/*.state")))) or None
    )
    return folder, trials, notes, sizes


def test_states_are_kept_as_long_as_something_may_continue_them(calm):
    folder, trials, notes, sizes = calm
    assert [trial.budget.epochs for trial in trials] == [1, 1, 1, 1, 2, 2, 3]
    assert all(trial.status == "finished" for trial in trials)
    chains = [trial for trial in trials if trial.continues is not None]
    assert all(trial.seed == trials[trial.continues].seed for trial in chains)
    assert all(trial.start == trials[trial.continues].budget for trial in chains)
    assert len({trial.seed for trial in trials}) == 4
    # A rung of four; two go on, each in place of what it continued once that is stored; one ends, and needs no more.
    assert sizes == [1, 2, 3, 4, 5, 5, 4]
    assert not (folder / "states").exists()
    assert len(notes) == 1
    assert notes[0].startswith("states of stopped trainings took up to 0.")


@pytest.mark.parametrize("when", ["before", "within", "after"])
@pytest.mark.parametrize("trial", [2, 4, 6])
def test_a_search_with_rungs_that_is_stopped_anywhere_ends_as_if_it_had_not_been(calm, tmp_path, trial, when):
    _, undisturbed, _, _ = calm
    with pytest.raises(KeyboardInterrupt):
        run_search(tmp_path, (trial, when))
    assert (tmp_path / "states").exists()
    (tmp_path / "states" / "begun.partial").write_bytes(b"a part")  # as a kill leaves it
    trials, notes = run_search(tmp_path)
    assert trials == undisturbed
    assert len(notes) == 1
    assert not (tmp_path / "states").exists()


def test_no_epoch_is_missing_in_the_log_of_curves(calm, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_search(tmp_path, (4, "within"))
    assert read_curves(tmp_path / "curves.jsonl")[4].keys() == {2}  # of a trial that has not ended
    trials, _ = run_search(tmp_path)
    curves = read_curves(tmp_path / "curves.jsonl")
    for trial in trials:
        curve = trial.metrics["curve"]
        expected = {n + 1: {name: curve[name][n] for name in curve} for n in range(trial.budget.epochs)}
        assert whole_curve(trial, trials, curves) == expected
        assert len(curves[trial.id]) == 1  # an epoch of its own


def test_without_room_for_states_a_search_finds_the_same(calm, tmp_path):
    _, undisturbed, _, _ = calm
    trials, notes = run_search(tmp_path, max_state_gb=0.0)
    assert trials == undisturbed
    assert notes[0] == "states take more than search.max_state_gb=0: some are dropped"
    assert notes[-1].endswith("trainings lost theirs to search.max_state_gb; they are removed")


# What is dropped, without any training.


@dataclass(frozen=True)
class Forgetful:
    """A strategy that will continue certain trials only."""

    known: frozenset

    def propose(self, rng, history, num):
        return []

    def can_continue(self, history):
        return set(self.known) & set(history.ids)


def finished(id, seed, epochs, accuracy=0.5, status="finished", continues=None):
    metrics = {"val_accuracy": accuracy} if status == "finished" else None
    return Trial(id, (id,), "", "search", seed, status, metrics, budget=Budget(epochs), continues=continues)


def left(folder, trials, files, strategy=None, **settings):
    """What is left of files with states, each of a seed and a number of epochs, and of 1,000 bytes and some."""
    store, notes = TrialStore(), []
    store.put(*trials)
    parts = make_parts(strategy=strategy, search=SearchSettings(20, **settings), budgets=Budgets(tuple(range(1, 10))))
    run = Run(parts, store, Listeners((Noted(notes),)), folder, state_dir=folder / "states")
    with kept_states(run) as drop_states:
        for seed, num_epochs in files:
            stopped = Stopped(num_epochs, [], [Leaf("", np.zeros(125))])
            write_state(run.state_dir / str(seed), seed, stopped, "")
        drop_states()
        return sorted(tuple(map(int, path.stem.split("-"))) for path in run.state_dir.glob("*/*.state"))


def test_a_state_goes_once_a_later_one_of_its_training_is_stored(tmp_path):
    trials = [finished(0, 5, 1), finished(1, 6, 1), finished(2, 5, 3, continues=0)]
    assert left(tmp_path, trials, [(5, 1), (5, 3), (6, 1)]) == [(5, 3), (6, 1)]


def test_what_could_not_be_written_leaves_the_state_before(tmp_path):
    trials = [finished(0, 5, 1), finished(2, 5, 3, continues=0)]
    assert left(tmp_path, trials, [(5, 1)]) == [(5, 1)]


def test_a_pending_trial_keeps_what_it_continues(tmp_path):
    trials = [finished(0, 5, 1), finished(1, 5, 9, status="pending", continues=0), finished(2, 6, 9)]
    assert left(tmp_path, trials, [(5, 1), (6, 3)], max_state_gb=0.0) == [(5, 1)]
    # Its own state may be written before it is stored, and another trial may continue the same one by less.
    trials = [finished(0, 5, 1), finished(1, 5, 4, status="pending"), finished(2, 5, 8, status="pending")]
    assert left(tmp_path, trials, [(5, 1), (5, 4), (5, 8)]) == [(5, 1), (5, 4), (5, 8)]


def test_a_full_training_and_a_strategy_that_forgets_need_no_states(tmp_path):
    trials = [finished(0, 5, 1), finished(1, 5, 9, continues=0), finished(2, 6, 1), finished(3, 7, 1)]
    files = [(5, 1), (6, 1), (7, 1)]
    assert left(tmp_path, trials, files) == [(6, 1), (7, 1)]
    assert left(tmp_path, trials, files, Forgetful(frozenset({3}))) == [(7, 1)]


def test_beyond_the_bound_the_cheapest_and_worst_go_first(tmp_path):
    trials = [finished(0, 5, 1, 0.9), finished(1, 6, 1, 0.1), finished(2, 7, 3, 0.2), finished(3, 8, 1, 0.5)]
    files = [(5, 1), (6, 1), (7, 3), (8, 1)]
    kept = {num: left(tmp_path / str(num), trials, files, max_state_gb=1300 * num / 2**30) for num in range(1, 5)}
    assert kept == {1: [(7, 3)], 2: [(5, 1), (7, 3)], 3: [(5, 1), (7, 3), (8, 1)], 4: files}


def test_the_listeners_of_these_tests_are_such():
    assert isinstance(Noted([]), Listener)
