"""The accelerators of this machine, found without opening one, and a process that keeps off them.

JAX opens every accelerator that it finds, and takes most of a GPU's memory, as soon as it is asked for devices. A
search whose trials train in other processes must not ask: a process that has opened a GPU keeps its memory to the end.
"""

import importlib.metadata
import importlib.util
import os
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import jax
from jax._src import xla_bridge  # nothing public tells whether devices are open

_DEVICES = Path("/dev")
_SMI_SECONDS = 30.0
_kept_from: list[str | None] = []  # what this process was to use before `keep_to_cpu`, if that was called


class Accelerator(NamedTuple):
    """A device: the name by which CUDA_VISIBLE_DEVICES knows it, and what it is, such as "NVIDIA H200"."""

    name: str
    kind: str


@runtime_checkable
class TrainsElsewhere(Protocol):
    """The class of an execution can have this: it trains in other processes, and the search needs no accelerator."""

    trains_elsewhere: bool


def keep_to_cpu() -> None:
    """From now on this process uses its CPU alone. One whose JAX has opened its devices is left as it is."""
    if not xla_bridge.backends_are_initialized():
        _kept_from[:] = [*_kept_from, jax.config.values["jax_platforms"]][:1]
        jax.config.update("jax_platforms", "cpu")


def leave_devices_to(executor_class: object) -> None:
    """Keeps this process to its CPU if executions of this class train in other processes."""
    if isinstance(executor_class, TrainsElsewhere) and executor_class.trains_elsewhere:
        keep_to_cpu()


def device_names() -> list[str]:
    """Platform and kind of each device, such as "cuda: NVIDIA H200", of a process that keeps to the CPU too."""
    if not _kept_from:
        return [f"{device.platform}: {device.device_kind}" for device in jax.devices()]
    return [f"cuda: {gpu.kind}" for gpu in find_gpus()] or ["cpu: cpu"]


def find_gpus() -> list[Accelerator]:
    """The GPUs that JAX would use in a process that does not keep to the CPU."""
    if not _is_asked("cuda", "gpu") or not any("cuda" in name for name in _plugins()):
        return []
    gpus = list(_listed_gpus()) or [Accelerator(str(i), "GPU") for i in range(_num_nodes("nvidia[0-9]*"))]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return gpus if visible is None else list(_visible(visible, gpus))


def has_tpu() -> bool:
    """Whether JAX would use TPUs in a process that does not keep to the CPU."""
    is_installed = _is_asked("tpu") and importlib.util.find_spec("libtpu") is not None
    return is_installed and bool(_num_nodes("accel*") or _num_nodes("vfio/[0-9]*"))


def _is_asked(*names: str) -> bool:
    """Whether the platforms that JAX is to use, all unless it was told, are among these."""
    platforms = _kept_from[0] if _kept_from else jax.config.values["jax_platforms"]
    return not platforms or bool({*platforms.split(",")} & {*names})


def _plugins() -> Iterator[str]:
    """What JAX would load for accelerators: the modules of the namespace package `jax_plugins`, and entry points."""
    package = importlib.util.find_spec("jax_plugins")
    if package is not None and package.submodule_search_locations is not None:
        yield from (module.name for module in pkgutil.iter_modules(package.submodule_search_locations))
    yield from (point.value for point in importlib.metadata.entry_points(group="jax_plugins"))


def _listed_gpus() -> Iterator[Accelerator]:
    """What `nvidia-smi -L` lists, by unique names; of a GPU that is divided (MIG) its parts."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=_SMI_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return
    gpus: list[list[Accelerator]] = []
    for line in done.stdout.splitlines():
        if match := re.fullmatch(r"GPU \d+: (.*) \(UUID: (\S+)\)", line.strip()):
            gpus.append([Accelerator(match[2], match[1])])
        elif gpus and (match := re.fullmatch(r"(MIG \S+) .*\(UUID: (\S+)\)", line.strip())):
            gpus[-1].append(Accelerator(match[2], f"{gpus[-1][0].kind} {match[1]}"))
    for whole, *parts in gpus:
        yield from parts or [whole]


def _visible(names: str, gpus: list[Accelerator]) -> Iterator[Accelerator]:
    """The GPUs that CUDA_VISIBLE_DEVICES names, by numbers or by the beginnings of unique names; -1 ends the list."""
    for name in (name.strip() for name in names.split(",")):
        if name.isdecimal():
            found = gpus[int(name) : int(name) + 1]
        else:
            found = [gpu for gpu in gpus if name and gpu.name.startswith(name)]
            if gpus and gpus[0].name.isdecimal() and name.startswith(("GPU-", "MIG-")):
                found = [gpus[0]]  # there was no list of unique names
        if len(found) != 1:
            return
        yield Accelerator(name, found[0].kind)


def _num_nodes(pattern: str) -> int:
    return sum(1 for _ in _DEVICES.glob(pattern))
