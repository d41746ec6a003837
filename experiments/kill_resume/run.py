"""Kills a search at random moments and starts it again until it ends; its outcome must be that of a calm run.

    python experiments/kill_resume/run.py --num_kills=20 --num_workers=1
    python experiments/kill_resume/run.py --config=experiments/kill_resume/rungs.py --results=rungs.csv

Writes results.csv, or what `--results` names, beside this file: one row a kill.
"""

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas_jax.curve_log import read_curves, whole_curve
from nas_jax.store import read_trials

ROOT = Path(__file__).parents[2]


def outcome(workdir: Path) -> tuple:
    """What must not depend on interruptions: trials without their times, and the winner's metrics."""
    trials = [replace(trial, seconds=None) for trial in read_trials(workdir / "trials.jsonl")]
    return trials, json.loads((workdir / "best" / "metrics.json").read_text())


def is_complete(workdir: Path) -> bool:
    """Whether the log of curves has each epoch of the trials, and no state is left."""
    trials, curves = read_trials(workdir / "trials.jsonl"), read_curves(workdir / "curves.jsonl")
    for trial in (trial for trial in trials if trial.stage == "search" and trial.metrics):
        epochs, kept = whole_curve(trial, trials, curves), (trial.metrics or {})["curve"]
        if any([each[name] for each in epochs.values()] != values for name, values in kept.items()):
            return False
    return not (workdir / "states").exists()


def num_endings(workdir: Path) -> Counter[int]:
    """How often each trial has ended, by its id: the log keeps every line."""
    records = [json.loads(line) for line in (workdir / "trials.jsonl").read_text().splitlines()]
    return Counter(record["id"] for record in records if record["status"] != "pending")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/quickstart.py")
    parser.add_argument("--num_kills", type=int, default=20)
    parser.add_argument("--num_workers", type=int, default=1)
    parser.add_argument("--longest", type=float, default=40.0, help="seconds that a run may live before it is killed")
    parser.add_argument("--results", default="results.csv")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)

    def start(workdir: Path) -> subprocess.Popen:
        flags = [f"--config={arguments.config}", f"--config.execution.num_workers={arguments.num_workers}"]
        command = [sys.executable, "-m", "nas_jax.main", *flags, f"--workdir={workdir}"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)

    with tempfile.TemporaryDirectory() as scratch:
        calm = Path(scratch) / "calm"
        if start(calm).wait() != 0:
            sys.exit("the undisturbed run failed")
        expected = outcome(calm)

        rows: list[dict[str, Any]] = []
        num_runs = 0
        while len(rows) < arguments.num_kills:
            num_runs += 1
            workdir = Path(scratch) / f"killed-{num_runs}"
            while True:
                process, patience = start(workdir), rng.uniform(1, arguments.longest)
                begin = time.monotonic()
                try:
                    code = process.wait(timeout=patience if len(rows) < arguments.num_kills else None)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    trials = read_trials(workdir / "trials.jsonl")
                    stage = trials[-1].stage if trials else "before the first trial"
                    num_ended = sum(trial.status != "pending" for trial in trials)
                    rows.append({"run": num_runs, "seconds": round(patience, 1), "stage": stage, "ended": num_ended})
                    print(*rows[-1].values(), sep="  ", flush=True)
                    continue
                if code != 0:
                    sys.exit(f"run {num_runs} ended with exit code {code} after {time.monotonic() - begin:.0f} s")
                break
            is_same = (
                outcome(workdir) == expected and set(num_endings(workdir).values()) == {1} and is_complete(workdir)
            )
            print(f"run {num_runs}: {'the same as' if is_same else 'DIFFERENT FROM'} the calm run", flush=True)
            if not is_same:
                sys.exit(1)
    with (Path(__file__).parent / arguments.results).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
