"""GPUs are found without opening one, on machines that are faked by `nvidia-smi`, by /dev and by JAX's plugins."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_gpus
import jax
import pytest
from fakes import Lookup

from nas_jax.cpu.memory import MALLOC_VARIABLES
from nas_jax.errors import UserError
from nas_jax.executors import devices
from nas_jax.executors.devices import Accelerator, device_names, find_gpus, keep_to_cpu
from nas_jax.executors.slots import local_slots, worker_environment, worker_variables
from nas_jax.executors.workers import Workers
from nas_jax.store import read_trials

ROOT = Path(__file__).parents[2]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Returns a function that makes this process be on a machine with GPUs, cores and files in /dev."""
    monkeypatch.setattr(devices, "_DEVICES", tmp_path / "dev")
    monkeypatch.setattr(devices, "_kept_from", [])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    jax.config.update("jax_platforms", None)

    def make(lines, num_cores=16, files=()):
        environment = fake_gpus.install(tmp_path, lines)
        monkeypatch.setenv("PATH", environment["PATH"])
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(num_cores)), raising=False)
        for name in files:
            (tmp_path / "dev" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "dev" / name).touch()

    yield make
    jax.config.update("jax_platforms", "cpu")


def without_smi(tmp_path):
    (tmp_path / "bin" / "nvidia-smi").unlink()


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["GPU-00000000-aaaa", "GPU-10000000-aaaa", "GPU-20000000-aaaa"]),
        ("", []),
        ("-1", []),
        ("2,0", ["2", "0"]),
        ("1,-1,0", ["1"]),  # CUDA reads no further than the first that is not there
        ("1,7,0", ["1"]),
        ("GPU-2, 1", ["GPU-2", "1"]),
        ("GPU-9", []),
    ],
)
def test_the_gpus_are_those_that_cuda_would_see(machine, monkeypatch, visible, expected):
    machine(fake_gpus.gpus(3))
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert find_gpus() == [Accelerator(name, "NVIDIA H200") for name in expected]


def test_of_a_divided_gpu_the_parts_are_found(machine):
    machine(
        [
            "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-0)",
            "  MIG 3g.20gb     Device  0: (UUID: MIG-a)",
            "  MIG 4g.20gb     Device  1: (UUID: MIG-b)",
            "GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-1)",
        ]
    )
    kind = "NVIDIA A100-SXM4-40GB"
    assert find_gpus() == [
        Accelerator("MIG-a", f"{kind} MIG 3g.20gb"),
        Accelerator("MIG-b", f"{kind} MIG 4g.20gb"),
        Accelerator("GPU-1", kind),
    ]


@pytest.mark.parametrize(("visible", "expected"), [(None, ["0", "1"]), ("1", ["1"]), ("MIG-x", ["MIG-x"]), ("2", [])])
def test_without_nvidia_smi_the_files_of_the_driver_tell(machine, monkeypatch, tmp_path, visible, expected):
    machine([], files=["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"])
    without_smi(tmp_path)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.name for gpu in find_gpus()] == expected


@pytest.mark.parametrize(("platforms", "num"), [("cpu", 0), ("tpu,cpu", 0), ("cuda,cpu", 2), ("gpu", 2), ("", 2)])
def test_what_jax_is_told_to_leave_out_is_not_there(machine, platforms, num):
    machine(fake_gpus.gpus(2))
    jax.config.update("jax_platforms", platforms)
    assert len(find_gpus()) == num


def test_without_a_plugin_of_jax_there_are_no_gpus(machine, tmp_path):
    machine(fake_gpus.gpus(2))
    (tmp_path / "jax_plugins" / "xla_cuda12").rename(tmp_path / "jax_plugins" / "xla_other")
    assert find_gpus() == []


def test_a_process_that_keeps_to_its_cpu_still_names_the_gpus(machine, monkeypatch, tmp_path):
    machine(fake_gpus.gpus(2))
    monkeypatch.setattr(devices.xla_bridge, "backends_are_initialized", lambda: False)
    keep_to_cpu()
    keep_to_cpu()
    assert jax.config.values["jax_platforms"] == "cpu"
    assert device_names() == ["cuda: NVIDIA H200"] * 2
    assert len(local_slots(None, workers_per_device=1)) == 2
    assert fake_gpus.opened(tmp_path) == []


def test_a_process_that_has_opened_its_devices_is_left_as_it_is(machine):
    machine(fake_gpus.gpus(1))
    jax.devices()
    keep_to_cpu()
    assert jax.config.values["jax_platforms"] is None
    assert device_names() == [f"cpu: {jax.devices()[0].device_kind}"]


@pytest.mark.parametrize("file", ["accel0", "vfio/0"])
def test_tpus_are_not_shared(machine, monkeypatch, tmp_path, file):
    machine([], files=[file])
    (tmp_path / "libtpu").mkdir()
    with pytest.raises(UserError, match=r"one process holds all the TPUs of a machine; .*=in_process"):
        local_slots(None, workers_per_device=1)


@pytest.mark.parametrize(("num_gpus", "num_cores", "cores_each"), [(1, 16, 16), (1, 4, 4), (8, 64, 8), (8, 4, 1)])
def test_each_gpu_has_a_worker_with_its_share_of_the_cores(machine, num_gpus, num_cores, cores_each):
    machine(fake_gpus.gpus(num_gpus), num_cores)
    slots = local_slots(None, workers_per_device=1)
    assert len({slot.gpu for slot in slots}) == len(slots) == num_gpus
    assert {len(slot.cores) for slot in slots} == {cores_each}
    assert {slot.num_compile_threads for slot in slots} == {cores_each}
    assert {slot.environment["XLA_CLIENT_MEM_FRACTION"] for slot in slots} == {"0.900"}
    if num_cores >= num_gpus:
        cores = [core for slot in slots for core in slot.cores]
        assert len(set(cores)) == len(cores)


@pytest.mark.parametrize(
    ("num_gpus", "per_device", "num_workers"), [(1, 1, None), (1, 7, None), (8, 2, None), (8, 3, 20), (8, 3, 5)]
)
def test_memory_shares_of_a_gpu_add_up_to_no_more_than_it_has(machine, num_gpus, per_device, num_workers):
    machine(fake_gpus.gpus(num_gpus), 64)
    shares = {}
    for slot in local_slots(num_workers, per_device):
        shares.setdefault(slot.gpu, []).append(float(slot.environment["XLA_CLIENT_MEM_FRACTION"]))
    assert sum(map(len, shares.values())) == (num_workers or num_gpus * per_device)
    assert len(shares) == min(num_gpus, num_workers or num_gpus)
    for each in shares.values():
        assert 0.85 < sum(each) <= 0.9


def test_more_workers_than_the_gpus_have_room_for_are_refused(machine):
    machine(fake_gpus.gpus(2))
    with pytest.raises(UserError, match=r"2 GPUs have room for 2 workers; raise execution.workers_per_device"):
        local_slots(3, workers_per_device=1)


@pytest.mark.parametrize(("num_cores", "num"), [(16, 16), (4, 4)])
def test_without_gpus_a_worker_has_a_core_and_compiles_nothing_ahead(machine, num_cores, num):
    machine([], num_cores)
    slots = local_slots(None, workers_per_device=1)
    assert [slot.cores for slot in slots] == [(core,) for core in range(num)]
    assert {slot.num_compile_threads for slot in slots} == {0}
    assert all(slot.environment == {} for slot in slots)


def test_a_worker_on_a_gpu_starts_without_what_is_for_cpus(monkeypatch):
    """What `launch.sh` has set is taken out for it, what a user has set stays, and this process is as it was."""
    for name in (*MALLOC_VARIABLES, "NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert worker_variables(4, is_on_gpu=True) == {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"}
    assert worker_variables(4).items() >= {**MALLOC_VARIABLES, "NPROC": "4"}.items()
    monkeypatch.setenv("MALLOC_TOP_PAD_", MALLOC_VARIABLES["MALLOC_TOP_PAD_"])
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=3")
    before = dict(os.environ)
    with worker_environment(4, is_on_gpu=True):
        assert os.environ["GLIBC_TUNABLES"] == "glibc.malloc.check=3"
        assert os.environ["OMP_NUM_THREADS"] == "4"
        assert not {"MALLOC_TOP_PAD_", "MALLOC_ARENA_MAX", "NPROC"} & {*os.environ}
    assert dict(os.environ) == before


def environment_and_error(message):
    if message:
        raise UserError(message)
    return os.getpid(), dict(os.environ)


def test_a_function_is_called_in_a_process_that_has_the_gpu(machine, monkeypatch):
    machine(fake_gpus.gpus(2), num_cores=len(os.sched_getaffinity(0)))
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    pid, environment = Workers(Lookup()).call(environment_and_error, "")
    assert pid != os.getpid()
    assert environment["CUDA_VISIBLE_DEVICES"] == "GPU-00000000-aaaa"
    assert "MALLOC_ARENA_MAX" not in environment
    assert os.environ["MALLOC_ARENA_MAX"] == "1"
    with pytest.raises(UserError, match="the disk is full"):
        Workers(Lookup()).call(environment_and_error, "the disk is full")
    with pytest.raises(UserError, match="the process that computes with the trained network has died"):
        Workers(Lookup()).call(os._exit, 1)


def start(folder, environment):
    command = [sys.executable, "-m", "nas_jax.main", "--config=configs/quickstart.py:smoke", f"--workdir={folder}"]
    command += ["--config.execution=workers", "--config.search.num_trials=4", "--config.finalists.num_finalists=1"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def test_the_searchs_own_process_opens_no_gpu_on_a_first_run_or_a_resumed_one(tmp_path):
    """Its workers do, with an environment that is fit for it, and so does what measures the winner."""
    environment = {**os.environ, **fake_gpus.install(tmp_path, fake_gpus.gpus(1))}
    environment |= {"MALLOC_TOP_PAD_": "536870912", "MALLOC_MMAP_MAX_": "7"}  # of launch.sh, and a user's own
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled")}  # one for all that it starts
    environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}
    for name in ("JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES", "MALLOC_ARENA_MAX", "NPROC"):
        environment.pop(name, None)
    log, searches = tmp_path / "run" / "trials.jsonl", []
    with start(tmp_path / "run", environment) as process:
        searches.append(process.pid)
        end = time.monotonic() + 300
        while not log.exists() or not [trial for trial in read_trials(log) if trial.status == "finished"]:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.stderr.close()
    assert len([trial for trial in read_trials(log) if trial.status == "pending"]) >= 2  # which compiled ahead
    of_first = len(fake_gpus.opened(tmp_path))
    with start(tmp_path / "run", environment) as process:
        searches.append(process.pid)
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert {trial.status for trial in read_trials(log)} == {"finished"}
    assert [trial.id for trial in read_trials(log) if trial.stage == "search"] == [0, 1, 2, 3]
    notes = fake_gpus.opened(tmp_path)
    assert not {note["pid"] for note in notes} & {*searches}
    assert of_first == 1  # a worker
    assert len({note["pid"] for note in notes[of_first:]}) == 4  # those of search, finalists, export and latency
    for note in notes:
        set_there = note["environment"]
        assert set_there["CUDA_VISIBLE_DEVICES"] == "GPU-00000000-aaaa"
        assert set_there["XLA_CLIENT_MEM_FRACTION"] == "0.900"
        assert {name for name in set_there if name.startswith(("MALLOC_", "GLIBC_", "NPROC"))} == {"MALLOC_MMAP_MAX_"}
        assert note.get("num_cores") in (None, len(os.sched_getaffinity(0)))
    recorded = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert recorded["devices"] == ["cuda: NVIDIA H200"]
    assert "later" not in recorded
