"""Worker processes: real deaths, real limits, and what the stream makes of them."""

import contextlib
import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest
from fakes import Acting, Lookup
from waiting import is_running, wait_for

from nas_jax.data.arrays import load
from nas_jax.data.mapped import write_mapped
from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator
from nas_jax.evaluators.training import Training
from nas_jax.executors.calling import Calling, call_where_trials_run
from nas_jax.executors.plan import equal_shares
from nas_jax.executors.workers import Workers
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.classification import Classification
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Trial


def trials(*genomes):
    return [Trial(id, genome, str(genome), "search", seed=0) for id, genome in enumerate(genomes)]


def run(folder, *genomes, **settings):
    """The trials that come back, by id; nothing of the workers is left."""
    workers = Workers(Acting(str(folder)), **{"num_workers": 2, **settings})
    assert isinstance(workers, Evaluator)
    ended = list(workers.evaluate(iter(trials(*genomes))))
    assert sorted(trial.id for trial in ended) == list(range(len(genomes)))
    assert not multiprocessing.active_children()
    return sorted(ended, key=lambda trial: trial.id)


class OnlyHere(Acting):
    """Arrives in no other process, as if that lacked a package."""

    def __reduce__(self):
        return refuse_to_arrive, ()


def refuse_to_arrive():
    raise ModuleNotFoundError("no such package there")


def num_beginnings(folder, trial):
    return len((folder / str(trial.id)).read_text().split())


def test_what_fails_is_told_apart_and_the_others_finish(tmp_path):
    genomes = [("score", 0.5), ("kill",), ("hang",), ("raise",), ("kill_once",), ("eat", 8 << 30), ("score", 0.25)]
    ended = run(tmp_path, *genomes, time_limit=2.0, memory_gb=3.0, max_retries=1)
    assert [(trial.status, trial.failure) for trial in ended] == [
        ("finished", None),
        ("failed", "worker_lost"),
        ("failed", "time_limit"),
        ("failed", "error"),
        ("finished", None),
        ("failed", "out_of_memory"),
        ("finished", None),
    ]
    # Only what a machine did is tried again.
    assert [trial.num_attempts for trial in ended] == [1, 2, 1, 1, 2, 1, 1]
    assert [num_beginnings(tmp_path, trial) for trial in ended] == [1, 2, 1, 1, 2, 1, 1]
    assert "killed by SIGKILL" in ended[1].error
    assert ended[2].error == "stopped after 2 s, the time limit of a trial"
    assert ended[3].error == "KeyError: 'no such layer'"
    assert [ended[0].metrics["val_accuracy"], ended[6].metrics["val_accuracy"]] == [0.5, 0.25]


def test_workers_are_processes_with_their_own_cores_and_memory_settings(tmp_path, monkeypatch):
    monkeypatch.delenv("MALLOC_TOP_PAD_", raising=False)
    ended = run(tmp_path, *[("sleep", 0.5)] * 4)
    assert len({trial.metrics["pid"] for trial in ended} - {os.getpid()}) == 2
    assert {trial.metrics["malloc"] for trial in ended} == {"536870912"}
    if hasattr(os, "sched_getaffinity"):
        assert {trial.metrics["num_cores"] for trial in ended} == {max(1, len(os.sched_getaffinity(0)) // 2)}
    assert "MALLOC_TOP_PAD_" not in os.environ


def test_no_more_trials_are_pulled_than_there_are_workers(tmp_path):
    pulled, ended = [], []

    def requests():
        for trial in trials(*[("sleep", 0.1)] * 6):
            pulled.append(trial)
            yield trial

    for trial in Workers(Acting(str(tmp_path)), num_workers=2).evaluate(requests()):
        assert len(pulled) - len(ended) <= 2
        ended.append(trial)
    assert len(ended) == 6


@pytest.mark.parametrize(
    ("action", "message"), [("refuse", "the data set is not there"), ("fill", "finalists/3.*space")]
)
def test_what_every_trial_would_meet_stops_the_stream(tmp_path, action, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, (action,), ("score", 0.5))
    assert not multiprocessing.active_children()


def test_closing_the_stream_ends_the_workers(tmp_path):
    stream = Workers(Acting(str(tmp_path)), num_workers=2).evaluate(iter(trials(("score", 1.0), ("hang",))))
    with contextlib.closing(stream):
        assert next(stream).id == 0
        assert multiprocessing.active_children()
    assert not multiprocessing.active_children()


def test_workers_end_when_the_search_is_killed(tmp_path):
    program = (
        "from fakes import Acting\nfrom nas_jax.executors.workers import Workers\nfrom nas_jax.trial import Trial\n"
        "if __name__ == '__main__':\n"
        f"    hanging = Trial(0, ('hang',), '', 'search', 0)\n"
        f"    list(Workers(Acting({str(tmp_path)!r}), num_workers=1).evaluate(iter([hanging])))\n"
    )
    (tmp_path / "program.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, str(tmp_path / "program.py")], env=environment) as process:
        wait_for((tmp_path / "0").exists)
        process.kill()
    pid = int((tmp_path / "0").read_text())
    wait_for(lambda: not is_running(pid))


@pytest.mark.parametrize(
    "settings",
    [{"num_workers": 0}, {"workers_per_device": 0}, {"max_retries": -1}, {"time_limit": 0.0}, {"memory_gb": -1.0}],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Workers(Lookup(), **settings)


def test_training_in_workers_gives_what_it_gives_in_this_process():
    space = Chain((8, 8, 1), 4, conv_filters=(4,), fc_units=(8,), max_feature_layers=2)
    training = Training(
        space, Synthetic(), Classification(), Recipe(num_epochs=1, batch_size=32, learning_rate=0.05, warmup_epochs=0.5)
    )
    genomes = space.sample(np.random.default_rng(0), 2)
    new = trials(*genomes)
    here = list(training.evaluate(iter(new)))
    there = sorted(Workers(training, num_workers=1).evaluate(iter(new)), key=lambda trial: trial.id)
    for one, other in zip(here, there, strict=True):
        assert one.metrics["num_params"] == other.metrics["num_params"]
        # The number of threads may differ, and with it the order of sums.
        np.testing.assert_allclose(one.metrics["val_loss"], other.metrics["val_loss"], rtol=1e-4)


def test_a_mapped_data_set_is_the_data_set(tmp_path):
    dataset = load(Synthetic())
    mapped = write_mapped(dataset, tmp_path).load()
    for part in ("train", "val", "test"):
        copies = getattr(mapped, part)
        for name, array in getattr(dataset, part).items():
            assert isinstance(copies[name], np.memmap)
            np.testing.assert_array_equal(array, copies[name])
    assert mapped.spec == dataset.spec
    assert mapped.augmentation == dataset.augmentation


def test_a_data_set_that_does_not_fit_into_the_temporary_folder_is_one_line(tmp_path, monkeypatch):
    def refuse(path, array):
        raise OSError("320000 requested and 151424 written")  # as NumPy says it

    monkeypatch.setattr(np, "save", refuse)
    with pytest.raises(UserError, match=rf"cannot write the data set for the workers to {tmp_path}: 320000 .* TMPDIR"):
        write_mapped(load(Synthetic()), tmp_path)


@pytest.mark.parametrize(
    ("num", "expected"),
    [(1, [(0, 1, 2, 3)]), (2, [(0, 1), (2, 3)]), (3, [(0,), (1,), (2,)]), (5, [(0,), (1,), (2,), (3,), (0,)])],
)
def test_cores_are_shared_equally(num, expected):
    assert equal_shares([0, 1, 2, 3], num) == expected


def test_what_libraries_write_is_quoted_when_a_worker_dies_and_tears_no_display(tmp_path, capfd):
    (trial,) = run(tmp_path, ("complain_and_kill",), max_retries=0)
    assert trial.error.startswith("the worker process was killed by SIGKILL")
    assert trial.error.endswith("; its last words: a page of a library / Check failed: it is broken")
    written = capfd.readouterr().err
    assert "a page of a library" not in written
    assert "a word of Python" in written


def test_a_worker_that_cannot_start_fails_its_trial_and_says_why(tmp_path, capfd):
    """It is not tried for ever."""
    (trial,) = Workers(OnlyHere(str(tmp_path)), num_workers=1, max_retries=1).evaluate(iter(trials(("score", 0.5))))
    assert (trial.failure, trial.num_attempts) == ("worker_lost", 2)
    assert "ended with exit code 1" in trial.error
    assert "ModuleNotFoundError: no such package there" in capfd.readouterr().err


def test_what_no_worker_can_be_set_up_with_ends_the_search(tmp_path):
    with pytest.raises(UserError, match="compilation cache: cannot make /dev/null/cache"):
        run(tmp_path, ("score", 0.5), ("score", 0.5), compilation_cache="/dev/null/cache")
    assert not multiprocessing.active_children()


def test_without_a_gpu_a_function_is_called_in_this_process():
    workers = Workers(Lookup())
    assert isinstance(workers, Calling)
    assert call_where_trials_run(workers, os.getpid) == os.getpid()
    assert call_where_trials_run(Lookup(), pow, 2, 3) == 8


def test_workers_share_what_they_compile(tmp_path, monkeypatch):
    def folders(**settings):
        ended = run(tmp_path, ("sleep", 0.3), ("sleep", 0.3), **settings)
        return {trial.metrics["cache"] for trial in ended}

    (shared,) = folders()
    assert not os.path.exists(shared)  # it was in the search's scratch
    assert folders(compilation_cache=str(tmp_path / "kept")) == {str(tmp_path / "kept")}
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "own"))  # a user's, for JAX itself
    assert folders() == {str(tmp_path / "own")}
