"""Jobs through submitit: its local executor, and its Slurm executor on commands that stand in for Slurm's."""

import contextlib
import json
import os
import sys

import pytest
from fake_slurm import install
from fakes import Acting, Lookup
from waiting import is_running, wait_for

from nas_jax.errors import UserError
from nas_jax.executors.slurm import Slurm, failure_of_state
from nas_jax.store import TrialStore
from nas_jax.trial import Trial

pytest.importorskip("submitit")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A function that says how jobs end, and the folder of what the stand-in knows."""
    (tmp_path / "slurm").mkdir()
    install(tmp_path / "bin")
    monkeypatch.setenv("SLURM_FAKE", str(tmp_path / "slurm"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "slurm" / "fates").write_text("{}")
    return tmp_path / "slurm"


def trials(*genomes):
    return [Trial(id, genome, str(genome), "search", seed=0) for id, genome in enumerate(genomes)]


def run(tmp_path, *genomes, **settings):
    (tmp_path / "begun").mkdir()
    execution = Slurm(Acting(str(tmp_path / "begun")), folder=str(tmp_path / "jobs"), **settings)
    return sorted(execution.evaluate(iter(trials(*genomes))), key=lambda trial: trial.id)


def test_what_fails_is_told_apart_and_the_others_finish(tmp_path):
    genomes = [("score", 0.5), ("kill",), ("hang",), ("raise",), ("kill_once",), ("eat", 8 << 30)]
    ended = run(tmp_path, *genomes, num_workers=3, time_limit=5.0, memory_gb=3.0, max_retries=1, cluster="local")
    assert [(trial.id, trial.status, trial.failure, trial.num_attempts) for trial in ended] == [
        (0, "finished", None, 1),
        (1, "failed", "worker_lost", 2),
        (2, "failed", "time_limit", 1),
        (3, "failed", "error", 1),
        (4, "finished", None, 2),
        (5, "failed", "out_of_memory", 1),
    ]
    # The logs of the three jobs that gave no result are left, and the last one is named.
    (folder,) = (tmp_path / "jobs").iterdir()
    assert len(list(folder.iterdir())) == 3
    assert ended[1].error.rpartition("log ")[2].rstrip(")") in {str(path) for path in folder.glob("*/*.err")}


def test_jobs_find_what_one_process_finds(tmp_path):
    found = []
    for evaluator in (Lookup(), Slurm(Lookup(), num_workers=2, folder=str(tmp_path / "jobs"), cluster="local")):
        with TrialStore(tmp_path / f"{len(found)}.jsonl") as store:
            for trial in evaluator.evaluate(iter(trials((3,), (1,), (4,), (1,)))):
                store.put(trial)
            found.append(store.trials())
        lines = [json.loads(line) for line in (tmp_path / f"{len(found) - 1}.jsonl").read_text().splitlines()]
        assert sorted(line["id"] for line in lines if line["status"] == "finished") == [0, 1, 2, 3]
    assert found[0] == found[1]
    assert not list((tmp_path / "jobs").iterdir())


def test_a_lost_job_is_handed_in_again_and_slurm_is_told_not_to(tmp_path, slurm):
    (slurm / "fates").write_text('{"1": "PREEMPTED", "2": "TIMEOUT", "4": "OUT_OF_MEMORY"}')
    ended = run(
        tmp_path,
        ("score", 0.5),
        ("score", 0.6),
        ("score", 0.7),
        num_workers=1,
        time_limit=90.0,
        memory_gb=3.0,
        partition="short",
        parameters={"account": "nas"},
    )
    # Job 1 is lost, and its trial is job 2, which takes too long.
    assert [(trial.failure, trial.num_attempts) for trial in ended] == [
        ("time_limit", 2),
        (None, 1),
        ("out_of_memory", 1),
    ]
    assert ended[1].metrics["val_accuracy"] == 0.6
    script = (slurm / "3.sh").read_text().splitlines()
    for line in ("no-requeue", "partition=short", "account=nas", "mem=3GB", "time=12", "cpus-per-task=1"):
        assert f"#SBATCH --{line}" in script


def test_closing_the_stream_cancels_the_jobs(tmp_path, slurm):
    execution = Slurm(Acting(str(tmp_path)), num_workers=2, folder=str(tmp_path / "jobs"))
    with contextlib.closing(execution.evaluate(iter(trials(("hang",), ("score", 1.0), ("hang",))))) as stream:
        assert next(stream).id == 1
        wait_for((tmp_path / "0").exists)
    states = {path.stem: path.read_text() for path in slurm.glob("*.state")}
    assert states == {"1": "CANCELLED by 1000", "2": "COMPLETED"}
    pid = int((tmp_path / "0").read_text())
    wait_for(lambda: not is_running(pid))


def test_a_job_that_the_cluster_refuses_is_a_user_error(tmp_path, slurm):
    (tmp_path / "bin" / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n")
    with pytest.raises(UserError, match=r"the cluster refuses a job: .*invalid partition"):
        run(tmp_path, ("score", 0.5))


def test_a_machine_without_slurm_is_a_user_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="there is no srun here"):
        run(tmp_path, ("score", 0.5))


def test_an_unknown_parameter_is_a_user_error(tmp_path, slurm):
    with pytest.raises(UserError, match=r"execution\.parameters: .*colour"):
        run(tmp_path, ("score", 0.5), parameters={"colour": "red"})


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("TIMEOUT", "time_limit"),
        ("DEADLINE", "time_limit"),
        ("OUT_OF_MEMORY", "out_of_memory"),
        ("NODE_FAIL", "node_lost"),
        ("PREEMPTED", "node_lost"),
        ("FAILED", "worker_lost"),
        ("CANCELLED by 1000", "worker_lost"),
        ("COMPLETED", "worker_lost"),
        ("FINISHED", "worker_lost"),
        *[(state, None) for state in ("PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "UNKNOWN")],
    ],
)
def test_states_of_jobs_and_what_they_say_of_a_trial(state, kind):
    failure = failure_of_state(state)
    assert (failure and failure.kind) == kind
    assert failure is None or state in failure.reason


@pytest.mark.parametrize("settings", [{"num_cpus": 0}, {"num_gpus": -1}, {"cluster": "debug"}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Slurm(Lookup(), **settings)
