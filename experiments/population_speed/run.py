"""Trains the same 20 architectures in several ways and notes the time.

    python experiments/population_speed/run.py --methods ours_2 plain_flax torch --data_dir=...

Each method is a process of its own. Writes trials.csv and runs.csv beside this file, where a run takes the place of an
earlier one of its method and setting; report.py reads them.
"""

import argparse
import csv
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from setting import Setting

from nas_jax.executors.slots import worker_variables

HERE = Path(__file__).parent
METHODS = {
    "ours_2": ("ours.py", "2"),
    "ours_1": ("ours.py", "1"),
    "plain_flax": ("plain_flax.py",),
    "torch": ("torch_eager.py", "2"),
    "torch_tuned": ("torch_eager.py", "2"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=METHODS, required=True)
    for field in dataclasses.fields(Setting):
        default = None if field.default is dataclasses.MISSING else field.default
        parser.add_argument(f"--{field.name}", type=str if default is None else type(default), default=default)
    arguments = vars(parser.parse_args())
    methods = arguments.pop("methods")
    setting = Setting(**arguments)
    for method in methods:
        run(method, setting)


def run(method: str, setting: Setting) -> None:
    script, *rest = METHODS[method]
    # Our workers set these variables by themselves; PyTorch gains from those of malloc as well.
    environment = os.environ | (worker_variables(num_threads=1) if method == "torch_tuned" else {})
    load_before, start = os.getloadavg()[0], time.perf_counter()
    command = [sys.executable, str(HERE / script), json.dumps(dataclasses.asdict(setting)), *rest]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    wall_seconds = time.perf_counter() - start
    shared = {"method": method, "batch_size": setting.batch_size, "num_train": setting.num_train}
    trials = [json.loads(line) for line in done.stdout.splitlines()]
    put(HERE / "trials.csv", shared, [rounded(trial) for trial in trials])
    totals = {"wall_seconds": wall_seconds, "load_before": load_before, "load_after": os.getloadavg()[0]}
    put(HERE / "runs.csv", shared, [{"num_architectures": len(trials), **rounded(totals)}])
    print(method, rounded(totals), flush=True)


def rounded(row: dict) -> dict:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def put(path: Path, shared: dict, rows: list[dict]) -> None:
    """Writes rows that have `shared` in common, in place of those that have it in the file."""
    others = []
    if path.exists():
        with path.open(newline="") as file:
            common = {name: str(value) for name, value in shared.items()}
            others = [row for row in csv.DictReader(file) if not common.items() <= row.items()]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*shared, *rows[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows([*others, *({**shared, **row} for row in rows)])


if __name__ == "__main__":
    main()
