"""Searches real CIFAR-10 with several strategies, each with the same time, and trains the winner of each in full.

    python experiments/search_on_cifar10/run.py --minutes=60 --seeds=3
    python experiments/search_on_cifar10/report.py

Time is that of the processor cores, of the search and all its workers: 60 minutes are half an hour on two cores, and
other work on the machine takes nothing from them. The same command again goes on where it stopped, and one with more
minutes lets searches that have ended go on.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

HERE = Path(__file__).parent
METHODS = ("random_search", "freeze_thaw", "bayesopt", "one_shot")
AFTER_SEARCH = "finalists,export,card,report"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="of cores, for each search")
    parser.add_argument("--runs", type=Path, default=Path("runs/search_on_cifar10"))
    parser.add_argument("flags", nargs="*", help="more flags for nas_jax.main, behind --")
    arguments = parser.parse_args()
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for method in arguments.methods:
            workdir = arguments.runs / f"{method}-{seed}"
            flags = [f"--config={HERE / 'config.py'}:{method}", f"--config.seed={seed}", f"--workdir={workdir}"]
            run_one(workdir, [*flags, *arguments.flags], 60 * arguments.minutes)


def run_one(workdir: Path, flags: list[str], seconds: float) -> None:
    """A search of so many seconds, and then its winner in full; what an earlier call has done is not done again."""
    workdir.mkdir(parents=True, exist_ok=True)
    spent = workdir / "core_seconds.json"
    before = json.loads(spent.read_text()) if spent.exists() else 0.0
    if before >= seconds and (workdir / "report.html").exists():
        return
    if before < seconds:
        command = [sys.executable, "-m", "nas_jax.main", *flags, "--config.stages=search"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        meter = Meter(process.pid)
        while process.poll() is None and before + meter.read() < seconds:
            spent.write_text(json.dumps(before + meter.seconds))
            time.sleep(1)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        if process.wait() not in (0, 143):
            sys.exit(f"the search in {workdir} ended with {process.returncode}")
        spent.write_text(json.dumps(max(before + meter.seconds, seconds)))
    command = [sys.executable, "-m", "nas_jax.main", *flags, f"--config.stages={AFTER_SEARCH}"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


class Meter:
    """The seconds that a process and all that it has started have used of cores."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._of_each: dict[int, float] = {}

    @property
    def seconds(self) -> float:
        return sum(self._of_each.values())

    def read(self) -> float:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._pid)
            for each in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = each.cpu_times()
                    self._of_each[each.pid] = times.user + times.system
        return self.seconds


if __name__ == "__main__":
    main()
