"""A machine that seems to have GPUs: `nvidia-smi` lists them, and a plugin of JAX notes who opens one, and fails.

JAX then trains on the CPU. What a search makes of such a machine is all real but that.
"""

import json
import os
from pathlib import Path

_PLUGIN = """
import json, os
from pathlib import Path
from jax._src import hardware_utils, xla_bridge

def initialize():
    hardware_utils.has_visible_nvidia_gpu = lambda: True
    xla_bridge.register_backend_factory("cuda", _open, priority=400, fail_quietly=True)

def _open():
    note = {"pid": os.getpid(), "environment": dict(os.environ)}
    if hasattr(os, "sched_getaffinity"):
        note["num_cores"] = len(os.sched_getaffinity(0))
    with (Path(__file__).parents[2] / "opened").open("a") as file:
        file.write(json.dumps(note) + "\\n")
    raise RuntimeError("there is no driver")
"""


def install(folder: Path, lines: list[str]) -> dict[str, str]:
    """Puts the machine into a folder; `lines` are what `nvidia-smi -L` prints.

    Returns the environment variables with which a process is on it: PATH and PYTHONPATH.
    """
    plugin, smi = folder / "jax_plugins" / "xla_cuda12" / "__init__.py", folder / "bin" / "nvidia-smi"
    for path in (plugin, smi):
        path.parent.mkdir(parents=True)
    plugin.write_text(_PLUGIN)
    listed = "\n".join(lines)
    smi.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] || exit 1\ncat <<'END'\n{listed}\nEND\n")
    smi.chmod(0o755)
    paths = {"PATH": smi.parent, "PYTHONPATH": folder}
    return {name: os.pathsep.join([str(path), *filter(None, [os.environ.get(name)])]) for name, path in paths.items()}


def gpus(num: int) -> list[str]:
    return [f"GPU {i}: NVIDIA H200 (UUID: GPU-{i}0000000-aaaa)" for i in range(num)]


def opened(folder: Path) -> list[dict]:
    """Who has tried to open a GPU, in order: pid, environment, number of cores."""
    path = folder / "opened"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
