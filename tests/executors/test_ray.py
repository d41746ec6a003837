"""A real Ray cluster of several nodes on this machine, one of which dies."""

import json
import os
import signal
import sys

import pytest
from fakes import Acting, Lookup

import nas_jax
from nas_jax.errors import UserError
from nas_jax.executors.ray import Ray
from nas_jax.executors.ray_cluster import failure_of_ray, package_folders, problem_of_all, room
from nas_jax.store import TrialStore
from nas_jax.trial import Trial

ray = pytest.importorskip("ray")

# JAX warns of forks. Those by which Ray starts its servers become other programs at once.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")


@pytest.fixture(scope="module")
def cluster():
    """A head without CPUs, so that a trial runs on one of two other nodes."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        handler = signal.getsignal(signal.SIGTERM)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        signal.signal(signal.SIGTERM, handler)
        cluster.add_node(num_cpus=1)
        cluster.add_node(num_cpus=1)
        yield cluster
        cluster.shutdown()


def trials(*genomes):
    return [Trial(id, genome, str(genome), "search", seed=0) for id, genome in enumerate(genomes)]


def test_what_fails_is_told_apart_and_the_others_finish(cluster, tmp_path):
    genomes = [("score", 0.5), ("kill",), ("hang",), ("raise",), ("kill_once",), ("eat", 8 << 30), ("score", 0.25)]
    execution = Ray(
        Acting(str(tmp_path)), time_limit=5.0, memory_gb=4.0, max_retries=1, address=cluster.address, ship="nas_jax"
    )
    handler = signal.getsignal(signal.SIGTERM)
    stream = execution.evaluate(iter(trials(*genomes)))
    first = next(stream)
    assert signal.getsignal(signal.SIGTERM) is handler  # in which Ray puts its own, and the program's is lost
    ended = sorted([first, *stream], key=lambda trial: trial.id)
    assert [(trial.id, trial.status, trial.failure, trial.num_attempts) for trial in ended] == [
        (0, "finished", None, 1),
        (1, "failed", "worker_lost", 2),
        (2, "failed", "time_limit", 1),
        (3, "failed", "error", 1),
        (4, "finished", None, 2),
        (5, "failed", "out_of_memory", 1),
        (6, "finished", None, 1),
    ]
    assert [ended[0].metrics["val_accuracy"], ended[6].metrics["val_accuracy"]] == [0.5, 0.25]
    assert ended[1].error.startswith("The actor is dead because its worker process has died.")
    assert ended[2].error == "stopped after 5 s, the time limit of a trial"
    assert not ray.is_initialized()


def test_a_node_that_dies_loses_no_trial(cluster, tmp_path):
    """The cluster keeps one node after this test."""
    path, doomed = tmp_path / "trials.jsonl", cluster.add_node(num_cpus=1)
    with TrialStore(path) as store:
        execution = Ray(Acting(str(tmp_path)), address=cluster.address)
        for trial in execution.evaluate(iter(trials(*[("sleep", 1.0)] * 9))):
            store.put(trial)
            # All three nodes have a trial now, as no trial is as short as it takes to come back from this.
            if len(store.trials()) == 3:
                cluster.remove_node(doomed, allow_graceful=False)
        ended = store.trials()
    assert [trial.status for trial in ended] == ["finished"] * 9
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["id"] for line in lines if line["status"] == "finished") == list(range(9))
    # One was running on the node that died, and was begun again on another one.
    assert sorted(trial.num_attempts for trial in ended) == [1] * 8 + [2]


def test_a_trial_has_a_gpu_where_the_cluster_has_any_unless_it_shall_have_none(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1, num_gpus=1)
    for settings, gpu in (({}, "0"), ({"num_gpus": 0.0}, "")):
        execution = Ray(Acting(str(tmp_path)), address=cluster.address, **settings)
        (ended,) = execution.evaluate(iter(trials(("score", 1.0))))
        assert ended.metrics["gpu"] == gpu
    cluster.remove_node(node)


def test_more_than_the_cluster_has_is_refused(cluster, tmp_path):
    execution = Ray(Acting(str(tmp_path)), num_gpus=0.5, memory_gb=1.0, address=cluster.address)
    with pytest.raises(UserError, match=r"room for a trial, which needs 1 CPUs and 0\.5 GPUs and 1 GiB of memory"):
        list(execution.evaluate(iter(trials(("score", 1.0)))))


def test_a_cluster_that_is_not_there_is_a_user_error(tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "init", raising(ConnectionError("no such head")))
    with pytest.raises(UserError, match=r"execution\.address: no such head; does the cluster run there"):
        list(Ray(Acting(str(tmp_path)), address="head:6379").evaluate(iter([])))


def raising(error):
    def call(**settings):
        raise error

    return call


def died(message):
    error = ray.exceptions.ActorDiedError()
    error.error_msg = message
    return error


@pytest.mark.parametrize(
    ("make_error", "kind"),
    [
        (
            lambda: died("The actor died unexpectedly.\nThe actor died because its node has died. Node Id: 7"),
            "node_lost",
        ),
        (lambda: died("The actor is dead because its worker process has died. Exit code 3"), "worker_lost"),
        (ray.exceptions.WorkerCrashedError, "worker_lost"),
        (lambda: ray.exceptions.ActorUnavailableError("Socket closed", None), "node_lost"),
        (lambda: ray.exceptions.NodeDiedError("node 7"), "node_lost"),
        (lambda: ray.exceptions.OutOfMemoryError("too much"), "out_of_memory"),
    ],
)
def test_exceptions_of_ray_and_what_they_say_of_a_trial(make_error, kind):
    failure = failure_of_ray(make_error())
    assert failure.kind == kind
    assert failure.reason
    assert "\n" not in failure.reason


def test_a_bug_says_nothing_of_a_trial():
    assert failure_of_ray(ZeroDivisionError()) is None
    assert problem_of_all(ZeroDivisionError()) is None


def test_nodes_without_the_packages_are_a_user_error():
    error = died("raised in its creation task\nModuleNotFoundError: No module named 'nas_jax'")
    assert problem_of_all(error) is None
    error._actor_init_failed = True
    assert "No module named 'nas_jax'; they need the packages" in str(problem_of_all(error))


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ({"CPU": 1.0}, 7),
        ({"CPU": 2.0}, 3),
        ({"CPU": 1.0, "GPU": 0.25}, 4),
        ({"CPU": 0.1, "GPU": 1.0}, 1),
        ({"CPU": 5.0}, 0),
    ],
)
def test_trials_fit_whole_on_nodes(needs, expected):
    assert room([{"CPU": 4.0, "GPU": 1.0}, {"CPU": 3.0}], needs) == expected


def test_packages_are_shipped_by_their_folders():
    assert package_folders("") == []
    assert package_folders(" nas_jax, ray") == [nas_jax.__path__[0], ray.__path__[0]]
    with pytest.raises(ValueError, match="ship: there is no package 'nowhere'"):
        package_folders("nowhere")


@pytest.mark.parametrize("settings", [{"num_cpus": 0.0}, {"num_gpus": -1.0}, {"num_gpus": 1.5}, {"ship": "nowhere"}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Ray(Lookup(), **settings)


@pytest.mark.parametrize(("num_gpus", "share"), [(0.25, "0.225"), (1.0, "0.900"), (2.0, "0.900")])
def test_trials_on_gpus_share_their_memory_and_have_no_settings_of_malloc(num_gpus, share):
    variables = Ray(Lookup(), num_cpus=4.0).variables(num_gpus)
    assert variables["XLA_CLIENT_MEM_FRACTION"] == share
    assert not [name for name in variables if name.startswith(("MALLOC_", "GLIBC_", "NPROC"))]
    assert "XLA_CLIENT_MEM_FRACTION" not in Ray(Lookup()).variables(0.0)
    assert Ray(Lookup()).variables(0.0)["MALLOC_ARENA_MAX"] == "1"
