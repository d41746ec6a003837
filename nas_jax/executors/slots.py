"""The slots of worker processes: a slot is the cores, or the accelerator, that one worker has for itself.

A worker takes a slot by a lock on a file. The system lifts the lock when the process ends, however it ends, so that the
next worker takes the slot of a dead one.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import jax

from nas_jax.errors import UserError

_MEMORY_SHARE = 0.9  # of an accelerator, for all workers on it; the rest is for the search's own process
_locks: list[IO[str]] = []  # of this process, which has one if it is a worker; open files, or the lock would be lifted


class Slot(NamedTuple):
    """The cores that a worker keeps to, and the environment variables that give it its accelerator."""

    cores: tuple[int, ...]
    environment: dict[str, str]


def worker_variables(num_threads: int) -> dict[str, str]:
    """The environment variables that a worker process starts with. What the user has set keeps its value.

    XLA on a CPU allocates its temporaries anew at every call, and page faults then bound the step. The variables of
    malloc keep freed memory in the process and ask for huge pages (Linux with glibc; elsewhere they do nothing). NPROC
    is the size of XLA's thread pool.
    """
    variables = {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": "4294967296",
        "MALLOC_TOP_PAD_": "536870912",
        "MALLOC_ARENA_MAX": "1",  # XLA allocates in other threads, whose own arenas would be given back when empty
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "OMP_NUM_THREADS": str(num_threads),
        "OPENBLAS_NUM_THREADS": str(num_threads),
        "NPROC": str(num_threads),
    }
    return {name: os.environ.get(name, value) for name, value in variables.items()}


@contextmanager
def worker_environment(num_threads: int) -> Iterator[None]:
    """Sets `worker_variables` in this process, for processes that inherit them, and removes them at the end."""
    added = {name: value for name, value in worker_variables(num_threads).items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def local_slots(num_workers: int | None, workers_per_device: int) -> tuple[Slot, ...]:
    """The slots of this machine, one a worker: an equal share of the cores, and a GPU where there are GPUs.

    Args:
        num_workers: None for one a core, or `workers_per_device` a GPU.
        workers_per_device: How many share a GPU.

    Raises:
        UserError: more workers than the GPUs have room for, or devices of a kind that processes cannot share.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    backend = jax.default_backend()
    if backend == "cpu":
        num = num_workers or len(cores)
        return tuple(Slot(share, {}) for share in equal_shares(cores, num))
    if backend != "gpu":
        raise UserError(
            f"execution: one process holds all the {backend.upper()}s of a machine; train in it with "
            "--config.execution=in_process (docs/devices.md: a network on several devices)"
        )
    devices = visible_gpus(len(jax.local_devices()), os.environ.get("CUDA_VISIBLE_DEVICES"))
    num = num_workers or len(devices) * workers_per_device
    if num > len(devices) * workers_per_device:
        raise UserError(
            f"execution.num_workers={num}: {len(devices)} GPUs have room for {len(devices) * workers_per_device} "
            "workers; raise execution.workers_per_device"
        )
    memory = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{_MEMORY_SHARE / workers_per_device:.3f}"}
    return tuple(
        Slot(share, {"CUDA_VISIBLE_DEVICES": devices[i % len(devices)], **memory})
        for i, share in enumerate(equal_shares(cores, num))
    )


def equal_shares(cores: Sequence[int], num: int) -> list[tuple[int, ...]]:
    """`num` shares of the cores, of equal size. With fewer cores than shares, several shares have the same core."""
    if num >= len(cores):
        return [(cores[i % len(cores)],) for i in range(num)]
    size = len(cores) // num
    return [tuple(cores[i * size : (i + 1) * size]) for i in range(num)]


def visible_gpus(num: int, visible: str | None) -> list[str]:
    """The names by which CUDA knows the GPUs: those in CUDA_VISIBLE_DEVICES (`visible`), else their numbers."""
    return visible.split(",")[:num] if visible else [str(i) for i in range(num)]


def take_slot(folder: Path, slots: Sequence[Slot]) -> Slot:
    """Takes the first free slot for this process. JAX must not have looked for devices in it yet."""
    for number, slot in enumerate(slots):
        file = (folder / f"slot_{number}").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        _locks.append(file)
        os.environ.update(slot.environment)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, slot.cores)
        return slot
    raise RuntimeError(f"all {len(slots)} slots are taken")
