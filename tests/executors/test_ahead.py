"""Compiling ahead, in the search's process and in workers: it overlaps, keeps the order, and harms no other trial."""

import contextlib
import itertools
import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from fakes import Acting, Compiling, Lookup
from waiting import wait_for

from nas_jax.data.synthetic import Synthetic
from nas_jax.evaluators.base import Evaluator, Measurement, Preparing, ignore
from nas_jax.evaluators.training import Training
from nas_jax.executors.ahead import Ahead, Pace
from nas_jax.executors.in_process import InProcess
from nas_jax.executors.plan import num_needed
from nas_jax.executors.workers import Workers
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.classification import Classification
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Trial

SPACE = Chain((8, 8, 1), 4, conv_filters=(4,), fc_units=(8,), max_feature_layers=2)
TRAINING = Training(SPACE, Synthetic(), Classification(), Recipe(num_epochs=2, batch_size=32, learning_rate=0.05))


def trials(*genomes):
    return [Trial(id, genome, str(genome), "search", seed=0) for id, genome in enumerate(genomes)]


def ended(execution, *genomes):
    assert isinstance(execution, Evaluator)
    return sorted(execution.evaluate(iter(trials(*genomes))), key=lambda trial: trial.id)


def one_worker(folder, **settings):
    return Workers(Compiling(str(folder)), **{"num_workers": 1, "compile_ahead": 2, **settings})


def test_training_can_be_prepared():
    assert isinstance(TRAINING, Preparing)
    assert not isinstance(Lookup(), Preparing)


@pytest.mark.parametrize("make", [InProcess, one_worker])
def test_the_next_trials_compile_while_one_trains(make, tmp_path):
    """The first one ends only when the next two are prepared, in its own process and in other threads."""
    evaluator = Compiling(str(tmp_path))
    execution = InProcess(evaluator, compile_ahead=2) if make is InProcess else one_worker(tmp_path)
    stream = execution.evaluate(iter(trials(("train", 1, 2), ("train",), ("train", 3), ("train",))))
    assert [trial.id for trial in stream] == [0, 1, 2, 3]
    notes = evaluator.notes()
    assert [id for what, id, *_ in notes if what == "train"] == [0, 1, 2, 3]
    assert sorted(id for what, id, *_ in notes if what == "prepare") == [0, 1, 2, 3]
    (pid,) = {pid for _, _, pid, _ in notes}
    assert (pid == os.getpid()) == (make is InProcess)
    training = {thread for what, *_, thread in notes if what == "train"}
    assert len(training) == 1
    assert all(thread.startswith("compile") for what, id, _, thread in notes if what == "prepare" and id)


@pytest.mark.parametrize("make", [InProcess, one_worker])
def test_as_many_trials_are_pulled_as_compile_ahead_and_no_more(make, tmp_path):
    execution = InProcess(Compiling(str(tmp_path)), 2) if make is InProcess else one_worker(tmp_path)
    pulled, num = [], 6

    def requests():
        for trial in trials(*[("train",)] * num):
            pulled.append(trial.id)
            yield trial

    for number, _ in enumerate(execution.evaluate(requests()), start=1):
        room = min(num, number + 2)
        # Two trials of a worker can end before the search looks: then both come before another one is pulled.
        assert len(pulled) == room or (make is one_worker and 3 <= len(pulled) < room)
    assert pulled == list(range(num))


@pytest.mark.parametrize("make", [InProcess, one_worker])
def test_what_cannot_be_compiled_is_a_failed_trial_and_only_that(make, tmp_path):
    execution = InProcess(Compiling(str(tmp_path)), 2) if make is InProcess else one_worker(tmp_path)
    of_trials = ended(execution, ("train",), ("unbuildable",), ("train",))
    assert [trial.status for trial in of_trials] == ["finished", "failed", "finished"]
    assert of_trials[1].error == "ArithmeticError: no such network"
    assert {trial.num_attempts for trial in of_trials} == {1}


def test_training_compiled_ahead_gives_what_it_gives_without():
    genomes = SPACE.sample(np.random.default_rng(0), 4)
    plain = ended(InProcess(TRAINING), *genomes)
    ahead = ended(InProcess(TRAINING, compile_ahead=2), *genomes)
    assert [trial.metrics for trial in ahead] == [trial.metrics for trial in plain]
    there = ended(Workers(TRAINING, num_workers=1, compile_ahead=2), *genomes)
    for one, other in zip(plain, there, strict=True):
        np.testing.assert_allclose(one.metrics["val_loss"], other.metrics["val_loss"], rtol=1e-4)
    assert all(trial.seconds["compile"] > 0 for trial in [*ahead, *there])


def test_what_is_forgotten_is_prepared_again_where_it_is_measured():
    begun, may_go_on = [], threading.Event()

    def prepare(trial):
        begun.append(trial.id)
        may_go_on.wait(10)
        return lambda report: Measurement({"id": trial.id}, {})

    first, second, third = trials((), (), ())
    with Ahead(prepare, num_threads=1) as ahead:
        for trial in (first, second, third):
            ahead.begin(trial.id, trial)
        wait_for(lambda: begun)
        ahead.forget(first.id)  # it is being prepared
        ahead.forget(second.id)  # it waits
        ahead.forget(7)  # it was never begun
        may_go_on.set()
        assert ahead.measure(third.id, third, ignore).metrics == {"id": 2}
        assert begun == [0, 2]
        assert ahead.measure(second.id, second, ignore).metrics == {"id": 1}
    assert begun == [0, 2, 1]


def test_closing_the_stream_ends_the_threads(tmp_path):
    stream = InProcess(Compiling(str(tmp_path)), 2).evaluate(iter(trials(*[("train",)] * 4)))
    next(stream)
    stream.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("compile")]


@pytest.mark.parametrize(("action", "num_attempts"), [("kill_once", 2), ("kill", 3)])
def test_a_worker_that_dies_fails_the_trial_that_trained_and_not_those_that_waited(action, num_attempts, tmp_path):
    """The process is killed when the other two are prepared in it."""
    first, *others = ended(
        one_worker(tmp_path), (action, 1, 2) if action == "kill_once" else (action,), ("train",), ("train",)
    )
    assert first.num_attempts == num_attempts
    assert (first.failure, first.status) == ((None, "finished") if action == "kill_once" else ("worker_lost", "failed"))
    assert [(trial.status, trial.num_attempts) for trial in others] == [("finished", 1)] * 2
    trained = [id for what, id, *_ in Compiling(str(tmp_path)).notes() if what == "train"]
    assert sorted(trained) == [0] * num_attempts + [1, 2]


def test_a_trial_that_ends_its_process_when_it_compiles_is_found_out(tmp_path):
    """It dies while the first one trains, which is tried again; then alone, as often as it may."""
    first, poison, last = ended(one_worker(tmp_path, max_retries=1), ("hang_once",), ("poison",), ("train",))
    assert (first.status, first.num_attempts) == ("finished", 2)
    assert (poison.failure, poison.num_attempts) == ("worker_lost", 2)
    assert (last.status, last.num_attempts) == ("finished", 1)


def test_the_time_limit_is_that_of_the_trial_that_trains(tmp_path):
    first, *others = ended(one_worker(tmp_path, time_limit=4.0), ("hang",), ("train",), ("train",))
    assert (first.failure, first.num_attempts) == ("time_limit", 1)
    assert [(trial.status, trial.num_attempts) for trial in others] == [("finished", 1)] * 2


def test_two_workers_have_a_queue_each(tmp_path):
    execution = Workers(Compiling(str(tmp_path)), num_workers=2, compile_ahead=1)
    with contextlib.closing(execution.evaluate(iter(trials(*[("train",)] * 20)))) as stream:
        first = list(itertools.islice(stream, 8))  # there are still requests
    assert [trial.status for trial in first] == ["finished"] * 8
    notes = Compiling(str(tmp_path)).notes()
    for trial in first:
        of_trial = [(what, pid) for what, id, pid, _ in notes if id == trial.id]
        assert sorted(what for what, _ in of_trial) == ["prepare", "train"]
        assert len({pid for _, pid in of_trial}) == 1  # prepared where it trained


def test_no_worker_idles_while_trials_wait_for_another_one(tmp_path):
    """There are no more requests, and two trials wait for the worker whose trial ends last of all."""
    execution = Workers(Compiling(str(tmp_path)), num_workers=2, compile_ahead=2)
    of_trials = ended(execution, ("train_last", 1, 2, 3, 4, 5), *[("train",)] * 5)
    assert [(trial.status, trial.num_attempts) for trial in of_trials] == [("finished", 1)] * 6
    trained = {id: pid for what, id, pid, _ in Compiling(str(tmp_path)).notes() if what == "train"}
    assert {trained[id] for id in range(1, 6)} == {trained[1]} != {trained[0]}


def test_requests_that_come_later_find_balanced_workers(tmp_path):
    """A strategy that waits has no requests for now, and has some again when it is asked after a trial has ended."""
    left = [*trials(*[("train",)] * 12)][::-1]

    class Waiting(Iterator):
        num_asked = 0

        def __next__(self):
            self.num_asked += 1
            if self.num_asked % 3 == 0 or not left:
                raise StopIteration
            return left.pop()

    execution = Workers(Compiling(str(tmp_path)), num_workers=2, compile_ahead=3)
    of_trials = list(execution.evaluate(Waiting()))
    while left:  # as the search does
        of_trials += execution.evaluate(Waiting())
    assert sorted(trial.id for trial in of_trials) == list(range(12))
    trained = [id for what, id, *_ in Compiling(str(tmp_path)).notes() if what == "train"]
    assert sorted(trained) == list(range(12))


@pytest.mark.parametrize("evaluator", [Acting, Compiling])
def test_on_a_cpu_nothing_is_compiled_ahead_unless_it_is_asked_for(evaluator, tmp_path, monkeypatch):
    monkeypatch.setenv("MALLOC_TOP_PAD_", "1")
    pulled = []

    def requests():
        for trial in trials(*[("train",)] * 3):
            pulled.append(trial.id)
            yield trial

    for execution in (InProcess(evaluator(str(tmp_path))), Workers(evaluator(str(tmp_path)), num_workers=1)):
        pulled.clear()
        with contextlib.closing(execution.evaluate(requests())) as stream:
            next(stream)
            assert pulled == [0]


@pytest.mark.parametrize(
    ("num_threads", "seconds", "expected"),
    [
        (16, [], 16),  # nothing is known
        (16, [(6.0, 2.0)], 4),  # three trainings fit into a compilation
        (16, [(6.1, 2.0)], 5),
        (16, [(2.0, 2.0), (10.0, 2.0)], 4),  # of the means
        (16, [(0.1, 10.0)], 2),
        (16, [(0.0, 10.0)], 1),
        (16, [(60.0, 0.2)], 16),  # no more than threads
        (1, [(60.0, 0.2)], 1),
        (4, [(5.0, 0.0)], 4),
        (0, [(6.0, 2.0)], 0),  # on a CPU
    ],
)
def test_as_many_compile_as_trainings_fit_into_a_compilation_and_one_more(num_threads, seconds, expected):
    assert num_needed(num_threads, [{"compile": c, "train": t} for c, t in seconds]) == expected


def test_the_planned_pace_follows_the_trials_and_a_given_one_does_not():
    planned, given = Pace(None, 16), Pace(3, 16)
    assert (planned.num_threads, planned.num_ahead, given.num_threads, given.num_ahead) == (16, 16, 3, 3)
    for pace in (planned, given):
        pace.note(Trial(0, (), "", "search", 0, "failed"))
        pace.note(Trial(1, (), "", "search", 0, "finished", seconds={"compile": 4.0, "train": 2.0}))
    assert (planned.num_ahead, given.num_ahead) == (3, 3)
    for _ in range(100):  # what was long ago no longer counts
        planned.note(Trial(1, (), "", "search", 0, "finished", seconds={"compile": 8.0, "train": 1.0}))
    assert planned.num_ahead == 9


@pytest.mark.parametrize("make", [InProcess, Workers])
def test_a_negative_number_is_refused(make):
    with pytest.raises(ValueError, match="compile_ahead has to be at least 0"):
        make(Lookup(), compile_ahead=-1)
