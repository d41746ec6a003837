"""The slots of worker processes: a slot is the cores, or the share of a GPU, that one worker has for itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from nas_jax.cpu.memory import MALLOC_VARIABLES
from nas_jax.errors import UserError
from nas_jax.executors.devices import find_gpus, has_tpu, keep_to_cpu
from nas_jax.executors.plan import equal_shares, memory_share, num_compile_threads


class Slot(NamedTuple):
    """What a worker has: cores, and on a machine with GPUs one of these, maybe with others."""

    cores: tuple[int, ...]
    gpu: str | None = None  # the name by which CUDA knows it
    num_sharing: int = 1  # workers on the GPU, this one among them

    @property
    def num_compile_threads(self) -> int:
        """How many threads compile ahead of this worker, unless a user says it."""
        return num_compile_threads(len(self.cores), is_on_gpu=self.gpu is not None)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that give a worker its GPU; they count until JAX looks for devices."""
        if self.gpu is None:
            return {}
        share = {"XLA_CLIENT_MEM_FRACTION": f"{memory_share(1 / self.num_sharing):.3f}"}
        return {"CUDA_VISIBLE_DEVICES": self.gpu, **share}


def worker_variables(num_threads: int, *, is_on_gpu: bool = False) -> dict[str, str]:
    """The environment variables that a worker process starts with. What the user has set keeps its value.

    NPROC is the size of XLA's thread pool, which on a GPU compiles and may have all cores.
    """
    variables = {"OMP_NUM_THREADS": str(num_threads), "OPENBLAS_NUM_THREADS": str(num_threads)}
    if not is_on_gpu:
        variables |= {**MALLOC_VARIABLES, "NPROC": str(num_threads)}
    return {name: os.environ.get(name, value) for name, value in variables.items()}


@contextmanager
def worker_environment(num_threads: int, *, is_on_gpu: bool = False) -> Iterator[None]:
    """Sets `worker_variables` in this process, for processes that inherit them, and undoes it at the end.

    Where they will train on a GPU, the settings of malloc that `run.sh` and `launch.sh` have given this process are
    taken out; a user's own, with another value, stay.
    """
    before = dict(os.environ)
    os.environ.update(worker_variables(num_threads, is_on_gpu=is_on_gpu))
    if is_on_gpu:
        for name, value in MALLOC_VARIABLES.items():
            if os.environ.get(name) == value:
                del os.environ[name]
    changed = {name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name)}
    try:
        yield
    finally:
        for name in changed:
            os.environ.pop(name, None)
        os.environ.update({name: before[name] for name in changed & before.keys()})


def own_cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def local_slots(num_workers: int | None, workers_per_device: int) -> tuple[Slot, ...]:
    """The slots of this machine, one a worker: an equal share of the cores, and a GPU where there are GPUs.

    Args:
        num_workers: None for one a core, or `workers_per_device` a GPU.
        workers_per_device: How many share a GPU.

    Raises:
        UserError: more workers than the GPUs have room for, or devices of a kind that processes cannot share.
    """
    cores, gpus = own_cores(), find_gpus()
    if not gpus and has_tpu():
        raise UserError(
            "execution: one process holds all the TPUs of a machine; train in it with "
            "--config.execution=in_process (docs/devices.md: a network on several devices)"
        )
    if not gpus:
        return tuple(Slot(share) for share in equal_shares(cores, num_workers or len(cores)))
    room = len(gpus) * workers_per_device
    num = num_workers or room
    if num > room:
        raise UserError(
            f"execution.num_workers={num}: {len(gpus)} GPUs have room for {room} workers; raise "
            "execution.workers_per_device"
        )
    return tuple(
        Slot(share, gpus[i % len(gpus)].name, len(range(i % len(gpus), num, len(gpus))))
        for i, share in enumerate(equal_shares(cores, num))
    )


def take_slot(slot: Slot) -> None:
    """Gives this process its slot. JAX must not have looked for devices in it yet."""
    os.environ.update(slot.environment)
    os.environ.pop("XLA_PYTHON_CLIENT_MEM_FRACTION", None)  # the older name, beside which JAX allows no other
    if slot.gpu is None:
        keep_to_cpu()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, slot.cores)
