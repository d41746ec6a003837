"""What the machine is, and how busy it is: `python machine.py environment SCALE`."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from scale import Scale, emit, main

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "gpjax",
    "lineax",
    "ml_collections",
    "beartype",
    "moocore",
    "torch",
)
HAS_GPU = shutil.which("nvidia-smi") is not None
_INTERVAL_SECONDS = 0.5


def environment(scale: Scale) -> None:
    import jax  # here alone: run.py starts other steps, which choose their devices by themselves

    cores = len(os.sched_getaffinity(0))
    emit(python=platform.python_version(), cores=cores, load=os.getloadavg()[0], backend=jax.default_backend())
    emit(device=str(jax.devices()[0].device_kind), num_devices=jax.device_count())
    for gpu in query("gpu", "name,memory.total,memory.used,driver_version"):
        emit(gpu=gpu)
    installed = {found.name.lower().replace("-", "_"): found.version for found in importlib.metadata.distributions()}
    for package in PACKAGES:
        emit(package=package, version=installed.get(package, "missing"))


def query(what: str, fields: str) -> list[str]:
    """Lines of nvidia-smi on the GPU that is used, such as `query("gpu", "name")`; none without a GPU."""
    if not HAS_GPU:
        return []
    number = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0]
    command = ["nvidia-smi", f"--query-{what}={fields}", "--format=csv,noheader,nounits", f"--id={number}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


class Usage:
    """Samples, from its beginning to its end, how busy the GPU is and how much of its memory is taken."""

    def __enter__(self) -> "Usage":
        self._samples: list[tuple[float, float, float]] = []  # time, per cent, MiB
        self._cpu, self._has_ended = _cpu_times(), threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        return self

    def _sample(self) -> None:
        while HAS_GPU and not self._has_ended.wait(_INTERVAL_SECONDS):
            numbers = "".join(query("gpu", "utilization.gpu,memory.used")[:1]).replace(" ", "").split(",")
            if len(numbers) == 2 and all(number.isdigit() for number in numbers):
                self._samples.append((time.time(), float(numbers[0]), float(numbers[1])))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._has_ended.set()
        self._sampler.join()
        busy, total = (after - before for after, before in zip(_cpu_times(), self._cpu, strict=True))
        self.cpu_percent = 100 * busy / total if total else None

    def of_gpu(self, start: float) -> dict[str, float | None]:
        """Mean per cent since the time `start`, and the most memory in MiB."""
        samples = [sample for sample in self._samples if sample[0] >= start]
        if not samples:
            return {"gpu_percent": None, "gpu_memory_mib": None}
        percents = [percent for _, percent, _ in samples]
        return {"gpu_percent": sum(percents) / len(samples), "gpu_memory_mib": max(memory for *_, memory in samples)}


def _cpu_times() -> tuple[int, int]:
    """Of all cores of the machine since it started: busy, and all, in ticks."""
    times = [int(number) for number in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = times[3] + times[4]
    return sum(times) - idle, sum(times)


if __name__ == "__main__":
    main({"environment": environment}, sys.argv[1:])
