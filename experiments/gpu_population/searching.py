"""The real program, as a user starts it.

    python searching.py search SCALE WORKERS AHEAD COMPILATION STRATEGY
    python searching.py killed SCALE

`search` lets it run for a while and counts trials; "planned" and "auto" leave these fields as they are. `killed` ends
its main process by SIGKILL, looks for what it left behind, and starts it again.
"""

import json
import math
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from machine import HAS_GPU, Usage, query
from scale import ROOT, Scale, emit, main


def search(scale: Scale, num_workers: str, compile_ahead: str, compilation: str, strategy: str) -> None:
    workdir = Path(scale.out) / f"search_{num_workers}_{compile_ahead}_{compilation}_{strategy}"
    flags = [
        *scale.flags(scale.source()),
        *_worker_flags(num_workers),
        f"--config.recipe.num_epochs={scale.num_epochs}",
        f"--config.search.num_trials={scale.num_trials}",
        f"--config.strategy={strategy}",
        *([] if compile_ahead == "planned" else [f"--config.execution.compile_ahead={compile_ahead}"]),
        *([] if compilation == "auto" else [f"--config.recipe.compilation={compilation}"]),
    ]
    start = time.time()
    with Usage() as usage:
        process = _start(workdir, flags)
        try:
            process.wait(scale.search_seconds)
        except subprocess.TimeoutExpired:
            _stop(process)
    trials = [record for record in _records(workdir) if record["status"] != "pending"]
    failed = [trial["error"] for trial in trials if trial["status"] == "failed"]
    trials.sort(key=lambda trial: trial["time"])
    ended = [trial["time"] for trial in trials]
    # The first trial of each worker has its start in it, and the libraries that a process loads once.
    counted = ended[int(num_workers) - 1 :]
    is_enough = len(counted) > 1
    hours = (counted[-1] - counted[0]) / 3600 if is_enough else math.nan
    num_epochs = sum(_num_epochs(trial, scale) for trial in trials[int(num_workers) :])
    parts = {
        part: sum(trial["seconds"][part] for trial in trials if trial["seconds"]) / max(len(trials) - len(failed), 1)
        for part in ("compile", "train")
    }
    emit(
        workers=int(num_workers),
        compile_ahead=compile_ahead,
        compilation=compilation,
        strategy=strategy,
        trials_an_hour=(len(counted) - 1) / hours if is_enough else None,
        epochs_an_hour=num_epochs / hours if is_enough else None,
        num_trials=len(trials),
        num_failed=len(failed),
        first_trial_seconds=ended[0] - start if ended else None,
        compile_seconds=parts["compile"],
        train_seconds=parts["train"],
        cpu_percent=usage.cpu_percent,
        **usage.of_gpu(counted[0] if is_enough else start),
        exit_code=process.returncode,
        **({"first_error": failed[0]} if failed else {}),
    )
    if not trials:
        raise RuntimeError(f"no trial has ended. {_last_words(workdir)}")


def killed(scale: Scale) -> None:
    workdir = Path(scale.out) / "killed"
    source = scale.source(min(scale.num_train, 2048), min(scale.num_val, 256))
    flags = [
        *scale.flags(source),
        *_worker_flags("2"),
        "--config.recipe.num_epochs=2",
        f"--config.search.num_trials={scale.num_killed}",
        "--config.strategy=random_search",
    ]
    process = _start(workdir, flags)
    while _num_ended(workdir) < 2:
        if process.poll() is not None:
            raise RuntimeError(f"exit code {process.returncode} before two trials had ended. {_last_words(workdir)}")
        time.sleep(0.1)
    holders = [line for line in query("compute-apps", "pid,used_memory") if line.split(",")[0] == str(process.pid)]
    emit(gpu_files_of_the_search=_num_gpu_files(process.pid), gpu_memory_of_the_search=holders, has_gpu=HAS_GPU)
    workers = _descendants(process.pid)
    process.kill()
    process.wait()
    start = time.monotonic()
    while (left := list(filter(_is_running, workers))) and time.monotonic() - start < 10:
        time.sleep(0.05)
    emit(ended_before_the_kill=_num_ended(workdir), workers=len(workers), workers_left_after_10_s=len(left))
    exit_code = _start(workdir, flags).wait()
    endings = Counter(record["id"] for record in _lines(workdir) if record["status"] != "pending")
    finished = sum(record["status"] == "finished" for record in _records(workdir))
    emit(exit_code=exit_code, finished=finished, of=scale.num_killed, ended_twice=sum(n > 1 for n in endings.values()))
    if exit_code != 0 or finished != scale.num_killed or left:
        raise RuntimeError(f"the search did not go on as it should. {_last_words(workdir)}")


def _worker_flags(num: str) -> list[str]:
    return [f"--config.execution.num_workers={num}", f"--config.execution.workers_per_device={num}"]


def _start(workdir: Path, flags: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "nas_jax.main", "--config=configs/cifar10.py", f"--workdir={workdir}"]
    shared = ["--config.stages=search", "--config.search.max_cost=None"]
    with _log(workdir).open("a") as log:
        return subprocess.Popen([*command, *shared, *flags], cwd=ROOT, stdout=log, stderr=log)


def _num_epochs(trial: dict[str, Any], scale: Scale) -> int:
    """Of a trial; of one that continues another those that it adds."""
    reached = (trial["budget"] or {"epochs": scale.num_epochs})["epochs"]
    return reached - (trial["start"] or {"epochs": 0})["epochs"]


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _log(workdir: Path) -> Path:
    return workdir.with_suffix(".log")


def _last_words(workdir: Path) -> str:
    last = next(iter(_log(workdir).read_text().strip().splitlines()[-1:]), "nothing")
    return f"{_log(workdir)} ends with: {last}"


def _lines(workdir: Path) -> list[dict[str, Any]]:
    """The records of the trial log; a trial has one for each of its states."""
    log = workdir / "trials.jsonl"
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _records(workdir: Path) -> list[dict[str, Any]]:
    """The last record of each trial."""
    return list({record["id"]: record for record in _lines(workdir)}.values())


def _num_ended(workdir: Path) -> int:
    return sum(record["status"] != "pending" for record in _records(workdir))


def _num_gpu_files(pid: int) -> int:
    """How many files of GPUs a process has open. In a container nvidia-smi may not know its processes; this does."""
    num = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            num += str(file.readlink()).startswith("/dev/nvidia")
    return num


def _is_running(pid: int) -> bool:
    """Whether a process has not ended; an ended one is listed until its parent asks of it, which may be never."""
    try:
        return _status(pid)[0] != "Z"
    except OSError:
        return False


def _status(pid: int) -> list[str]:
    """What the system says of a process, from its state and its parent on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _descendants(pid: int) -> list[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            parents[int(folder.name)] = int(_status(int(folder.name))[1])
    found = [pid]
    for parent in found:  # it grows
        found += [child for child, of in parents.items() if of == parent]
    return found[1:]


if __name__ == "__main__":
    main({"search": search, "killed": killed}, sys.argv[1:])
