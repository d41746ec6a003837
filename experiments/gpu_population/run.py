"""What a machine with a GPU makes of this program, measured in under six minutes and without a network.

    python experiments/gpu_population/run.py --data=cifar10_part.npz --out=results

Each step is a process of its own with a time limit. Its results are printed as they come, and are in results.json and
results.csv of the folder `--out` as soon as it has ended. A step that fails, or that takes too long, is reported, and
the next one begins. `--tiny` is for a machine without a GPU, on images that are made up.
"""

import argparse
import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOTAL_SECONDS = 350.0
SEARCH_MARGIN = 12.0  # seconds that a search may need beside those of `--search_seconds`, to end


class Step(NamedTuple):
    """A script, its arguments, and seconds after which it is ended; a search has those of `--search_seconds` too."""

    script: str
    arguments: tuple[str, ...]
    seconds: float
    is_search: bool = False


def _search(
    num_workers: int, compile_ahead: str = "planned", compilation: str = "auto", strategy: str = "random_search"
) -> Step:
    arguments = ("search", str(num_workers), compile_ahead, compilation, strategy)
    return Step("searching.py", arguments, SEARCH_MARGIN, is_search=True)


STEPS = {  # the first ones fit into `TOTAL_SECONDS` on a GPU
    "environment": Step("machine.py", ("environment",), 20),
    "workers_1": _search(1),
    "workers_4": _search(4),
    "compile": Step("compiling.py", ("compile", "network"), 45),
    "speed": Step("training.py", ("speed",), 40),
    "torch_4": Step("torch_population.py", ("train", "4"), SEARCH_MARGIN, is_search=True),
    "killed": Step("searching.py", ("killed",), 60),
    "program": Step("training.py", ("program",), 40),
    "seeds": Step("training.py", ("seeds",), 30),
    "parallel": Step("training.py", ("parallel",), 40),
    "torch_1": Step("torch_population.py", ("train", "1"), SEARCH_MARGIN, is_search=True),
    "workers_2": _search(2),
    "workers_8": _search(8),
    "layers_1": _search(1, compilation="layers"),
    "layers_4": _search(4, compilation="layers"),
    "budgets_1": _search(1, strategy="freeze_thaw"),
    "budgets_4": _search(4, strategy="freeze_thaw"),
    "compile_layers": Step("compiling.py", ("compile", "layers"), 45),
    "ahead_2": _search(1, "2"),
    "ahead_4": _search(1, "4"),
    "ahead_8": _search(1, "8"),
    "ahead_15": _search(1, "15"),
    "options": Step("compiling.py", ("options",), 240),
}


class Outcome(NamedTuple):
    """What a step has printed, and why it did not end as it should, if so."""

    step: str
    seconds: float
    rows: list[dict[str, Any]]
    error: str | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="file of images; made up unless given")
    parser.add_argument("--out", default="gpu_population", help="folder for the results")
    parser.add_argument("--steps", default=",".join(STEPS), help="which, in this order; names with commas between")
    parser.add_argument("--total_seconds", type=float, help="after which no step goes on; 350 unless given")
    parser.add_argument("--search_seconds", type=float, help="of each search; 40 unless given")
    parser.add_argument("--patience", type=float, help="by which the limits of the steps are multiplied")
    parser.add_argument("--tiny", action="store_true", help="a little of everything")
    arguments = parser.parse_args()
    names = arguments.steps.split(",")
    if unknown := set(names) - set(STEPS):
        parser.error(f"--steps: there is no {', '.join(sorted(unknown))}; choose from {', '.join(STEPS)}")
    out = Path(arguments.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        parser.error(f"--out: {out} is not empty; name another folder")

    sys.path.insert(0, str(ROOT))
    from scale import TINY, Scale

    data = Path(arguments.data).resolve() if arguments.data else write_made_up(out / "images.npz")
    scale = Scale(str(data), str(out), **(TINY if arguments.tiny else {}))
    if arguments.search_seconds is not None:
        scale = dataclasses.replace(scale, search_seconds=arguments.search_seconds)
    if arguments.patience is not None:
        scale = dataclasses.replace(scale, patience=arguments.patience)
    total_seconds = TOTAL_SECONDS * scale.patience if arguments.total_seconds is None else arguments.total_seconds
    end, outcomes = time.monotonic() + total_seconds, []
    for name in names:
        outcomes.append(run_step(name, STEPS[name], scale, end - time.monotonic()))
        write(outcomes, out)
    failed = [outcome.step for outcome in outcomes if outcome.error]
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} steps ended well; results are in {out}", flush=True)
    sys.exit(1 if failed else 0)


def write_made_up(path: Path) -> Path:
    """Images of a pattern a class, in as many as a part of CIFAR-10 has."""
    rng = np.random.default_rng(0)
    patterns, arrays = rng.integers(0, 256, (10, 32, 32, 3)), {}
    for prefix, num in (("", 23_424), ("test_", 2048)):
        labels = rng.integers(0, 10, num)
        noise = rng.integers(-40, 41, (num, 32, 32, 3), dtype=np.int16)
        arrays[f"{prefix}images"] = np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8)
        arrays[f"{prefix}labels"] = labels.astype(np.int32)
    np.savez(path, **arrays)
    return path


def run_step(name: str, step: Step, scale: Any, seconds_left: float) -> Outcome:
    """Runs a step in a session of its own, whose processes all end with it, and prints its rows as they come."""
    print(f"--- {name}", flush=True)
    limit = min(step.seconds * scale.patience + step.is_search * scale.search_seconds, seconds_left)
    if limit < 5:
        return _reported(Outcome(name, 0.0, [], f"not begun, as the time is over: --steps={name} runs it alone"))
    command = [sys.executable, str(HERE / step.script), step.arguments[0], json.dumps(dataclasses.asdict(scale))]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    log, start = Path(scale.out) / f"{name}.err", time.monotonic()
    rows: list[dict[str, Any]] = []
    environment = {"CUDA_VISIBLE_DEVICES": "0", **os.environ, "PYTHONPATH": path}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, *step.arguments[1:]],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    reader = threading.Thread(target=_read, args=(process, name, rows), daemon=True)
    reader.start()
    error = None
    try:
        if process.wait(limit):
            error = next(iter(log.read_text().strip().splitlines()[-1:]), f"exit code {process.returncode}")
    except subprocess.TimeoutExpired:
        error = f"ended after {limit:.0f} s, its limit"
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    reader.join(timeout=5)
    return _reported(Outcome(name, round(time.monotonic() - start, 1), rows, error))


def _read(process: subprocess.Popen, name: str, rows: list[dict[str, Any]]) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            row = _row_of(line)
            if row is None:
                print(f"{name} printed: {line.rstrip()}", flush=True)
                continue
            rows.append(row)
            print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in row.items()), flush=True)


def _row_of(line: str) -> dict[str, Any] | None:
    """What a step has measured; None for a line of some library."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def _reported(outcome: Outcome) -> Outcome:
    print(f"{outcome.step}: {outcome.error or 'done'} ({outcome.seconds:.0f} s)", flush=True)
    return outcome


def write(outcomes: list[Outcome], out: Path) -> None:
    """All that is known so far: results.json, and results.csv with a line for each number."""
    records = [outcome._asdict() for outcome in outcomes]
    (out / "results.json").write_text(json.dumps(records, indent=1) + "\n")
    with (out / "results.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("step", "row", "what", "value"))
        for outcome in outcomes:
            writer.writerow((outcome.step, "", "seconds", outcome.seconds))
            if outcome.error:
                writer.writerow((outcome.step, "", "error", outcome.error))
            for number, row in enumerate(outcome.rows):
                writer.writerows((outcome.step, number, what, value) for what, value in row.items())


if __name__ == "__main__":
    main()
