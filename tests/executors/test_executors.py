"""What every execution keeps to, whatever engine it is; those whose engine is not installed are skipped."""

import contextlib
import importlib
import os
import pkgutil
import sys
import threading
import time

import numpy as np
import pytest
from fakes import Acting
from waiting import is_running, wait_for

import nas_jax.executors
from nas_jax.build import build
from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator
from nas_jax.evaluators.training import Training
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.classification import Classification
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Trial

# JAX warns of forks. Those by which Ray starts its servers become other programs at once.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")

ENGINES = {"ray": "ray", "slurm": "submitit"}
SHARED = {"num_workers": 2, "time_limit": None, "memory_gb": None, "max_retries": 2}


def executions():
    for module in pkgutil.iter_modules(nas_jax.executors.__path__):
        make = getattr(importlib.import_module(f"nas_jax.executors.{module.name}"), "make", None)
        if make:
            yield module.name


NAMES = list(executions())
CONCURRENT = [name for name in NAMES if name != "in_process"]


@pytest.fixture(scope="module", autouse=True)
def environment():
    """What other processes need to find the fakes, and what the fakes look for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("MALLOC_TOP_PAD_", "536870912")
        yield


@pytest.fixture(scope="module")
def ray_here():
    """One Ray for all tests: an execution uses the connection that there is, and leaves it open."""
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, log_to_driver=False)
    yield
    assert ray.is_initialized()
    ray.shutdown()


@pytest.fixture
def make(request, tmp_path):
    """Builds an execution as a config would."""

    def make(name, evaluator, **settings):
        if name in ENGINES:
            pytest.importorskip(ENGINES[name])
        if name == "ray":
            request.getfixturevalue("ray_here")
        if name == "slurm":
            settings |= {"cluster": "local", "folder": str(tmp_path / "jobs")}
        shared = {} if name == "in_process" else SHARED
        return build("nas_jax.executors", {"name": name, **shared, **settings}, evaluator=evaluator)

    return make


def trials(*genomes):
    return [Trial(id, genome, str(genome), "search", seed=0) for id, genome in enumerate(genomes)]


def test_the_executions_are_found():
    assert {"in_process", "workers", "ray", "slurm"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_trial_comes_back_once_and_is_pulled_when_there_is_room(make, name, tmp_path):
    execution = make(name, Acting(str(tmp_path)))
    assert isinstance(execution, Evaluator)
    assert execution.metric_names == ("val_accuracy",)
    wanted = trials(("score", 0.1), ("sleep", 0.3), ("raise",), ("score", 0.4), ("score", 0.5))
    pulled, ended = [], []

    def requests():
        for trial in wanted:
            pulled.append(trial)
            yield trial

    for trial in execution.evaluate(requests()):
        assert len(pulled) - len(ended) <= (1 if name == "in_process" else execution.num_workers)
        ended.append(trial)
    ended.sort(key=lambda trial: trial.id)
    assert [trial.id for trial in ended] == [0, 1, 2, 3, 4]
    assert [trial.metrics and trial.metrics["val_accuracy"] for trial in ended] == [0.1, 1.0, None, 0.4, 0.5]
    assert (ended[2].status, ended[2].failure, ended[2].error) == ("failed", "error", "KeyError: 'no such layer'")
    assert {trial.num_attempts for trial in ended} == {1}
    is_elsewhere = {trial.metrics["pid"] != os.getpid() for trial in ended if trial.metrics}
    assert is_elsewhere == {name != "in_process"}


@pytest.mark.parametrize("name", NAMES)
def test_what_every_trial_would_meet_stops_the_stream(make, name, tmp_path):
    with pytest.raises(UserError, match=r"^the data set is not there$"):
        list(make(name, Acting(str(tmp_path))).evaluate(iter(trials(("refuse",), ("score", 0.5)))))


@pytest.mark.parametrize("name", NAMES)
def test_each_epoch_is_reported_in_order_before_its_trial_ends_and_in_the_thread_that_pulls(make, name, tmp_path):
    wanted = trials(("epochs", 3, 0.1), ("epochs", 5, 0.0), ("raise",), ("epochs", 1, 0.1))
    events = []

    def report(progress):
        assert threading.current_thread() is threading.main_thread()
        assert progress.metrics["val_accuracy"] == progress.num_epochs / wanted[progress.trial].genome[1]
        events.append((progress.trial, progress.num_epochs))

    for trial in make(name, Acting(str(tmp_path))).evaluate(iter(wanted), report):
        events.append((trial.id, "ended"))
    for trial, expected in zip(wanted, ([1, 2, 3], [1, 2, 3, 4, 5], [], [1]), strict=True):
        assert [what for id, what in events if id == trial.id] == [*expected, "ended"]


@pytest.mark.parametrize("name", NAMES)
def test_progress_comes_while_the_trial_runs(make, name, tmp_path):
    """Other trials, which end all the time, do not keep it back."""
    others = [("sleep", 0.02)] * 200 if name in ("workers", "ray") else []
    (tmp_path / "begun").mkdir()
    came = {}
    stream = make(name, Acting(str(tmp_path / "begun"))).evaluate(
        iter(trials(("epochs", 4, 0.8), *others)),
        lambda progress: came.setdefault(progress.num_epochs, time.monotonic()),
    )
    ended = next(time.monotonic() for trial in stream if trial.id == 0)
    stream.close()
    assert sorted(came) == [1, 2, 3, 4]
    assert ended - came[1] > 1.2  # of the 2.4 seconds that are left after the first epoch


@pytest.mark.parametrize("name", CONCURRENT)
def test_a_process_that_dies_after_its_reports_is_told_of_and_tried_again(make, name, tmp_path):
    told = []
    (trial,) = make(name, Acting(str(tmp_path)), max_retries=1).evaluate(
        iter(trials(("epochs_and_kill", 2, 0.3))), told.append
    )
    assert (trial.failure, trial.num_attempts) == ("worker_lost", 2)
    # What had arrived when the process died; Ray may lose what was on its way.
    epochs = [progress.num_epochs for progress in told]
    assert epochs == [1, 2, 1, 2] if name != "ray" else set(epochs) <= {1, 2}


@pytest.mark.parametrize("name", NAMES)
def test_an_error_of_whoever_listens_ends_the_stream(make, name, tmp_path):
    def report(progress):
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"):
        list(make(name, Acting(str(tmp_path))).evaluate(iter(trials(("epochs", 2, 0.0))), report))


@pytest.mark.parametrize("name", CONCURRENT)
def test_closing_the_stream_ends_what_runs(make, name, tmp_path):
    stream = make(name, Acting(str(tmp_path))).evaluate(iter(trials(("hang",), ("score", 1.0))))
    with contextlib.closing(stream):
        assert next(stream).id == 1
        wait_for((tmp_path / "0").exists)
    pid = int((tmp_path / "0").read_text())
    wait_for(lambda: not is_running(pid))


@pytest.mark.parametrize("name", CONCURRENT)
def test_training_elsewhere_gives_what_it_gives_in_this_process(make, name):
    """The data set, too, has found its way there."""
    space = Chain((8, 8, 1), 4, conv_filters=(4,), fc_units=(8,), max_feature_layers=2)
    recipe = Recipe(num_epochs=1, batch_size=32, learning_rate=0.05, warmup_epochs=0.5)
    training = Training(space, Synthetic(), Classification(), recipe)
    (genome,) = space.sample(np.random.default_rng(0), 1)
    trial = Trial(0, genome, space.describe(genome), "search", seed=0)
    (here,) = training.evaluate(iter([trial]))
    (there,) = make(name, training, num_workers=1).evaluate(iter([trial]))
    assert there.status == "finished"
    assert here.metrics["num_params"] == there.metrics["num_params"]
    # The number of threads may differ, and with it the order of sums.
    np.testing.assert_allclose(here.metrics["val_loss"], there.metrics["val_loss"], rtol=1e-4)


@pytest.mark.parametrize("name", CONCURRENT)
@pytest.mark.parametrize("wrong", [{"num_workers": 0}, {"max_retries": -1}, {"time_limit": 0.0}, {"memory_gb": -1.0}])
def test_impossible_limits_are_refused(make, name, wrong, tmp_path):
    with pytest.raises(UserError, match=next(iter(wrong))):
        make(name, Acting(str(tmp_path)), **wrong)
