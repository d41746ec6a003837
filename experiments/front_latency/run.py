"""Holds the latencies of a search against those of the programs that it has exported: a row a point of the front.

    python experiments/front_latency/run.py --workdir=runs/cifar10-latency

The workdir is that of a run of `configs/cifar10.py:latency` that has ended. Writes results.csv beside this file.
"""

import argparse
import csv
from pathlib import Path

import jax
import numpy as np
from jax import export

from nas_jax.store import read_trials
from nas_jax.timed_calls import time_calls
from nas_jax.trial import Trial

RESULTS = Path(__file__).with_name("results.csv")
PLACE = 1  # of latency_ms among the objectives


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, required=True)
    workdir = parser.parse_args().workdir
    trials = {trial.id: trial for trial in read_trials(workdir / "trials.jsonl")}
    in_search = {
        trial.genome: trial.metrics["latency_ms"]
        for trial in trials.values()
        if trial.stage == "search" and trial.metrics
    }
    rows = []
    for folder in sorted((workdir / "front").iterdir(), key=lambda folder: int(folder.name)):
        trial = trials[int(folder.name)]
        rows.append(
            {
                "trial": trial.id,
                "description": trial.description,
                "predicted_ms": predicted_milliseconds(trial),
                "in_search_ms": in_search.get(trial.genome),
                "before_training_ms": (trial.metrics or {})["latency_ms"],
                "exported_ms": exported_milliseconds(folder / "program.bin"),
            }
        )
        print(rows[-1], flush=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for what in ("predicted_ms", "in_search_ms", "before_training_ms"):
        errors = [abs(row[what] / row["exported_ms"] - 1) for row in rows if row[what] is not None]
        if errors:
            print(f"{what}: {len(errors)} points, off by {np.median(errors):.1%} (median), {max(errors):.1%} at most")


def predicted_milliseconds(trial: Trial) -> float | None:
    """What the surrogate expected when it picked the network for the full training; values count upwards there."""
    return -trial.predictions[PLACE].mean if trial.predictions else None


def exported_milliseconds(path: Path) -> float:
    """Median of the calls with one image, by JAX alone."""
    program = export.deserialize(bytearray(path.read_bytes()))
    (shape,) = (aval.shape for aval in program.in_avals)
    image = jax.device_put(np.zeros((1, *shape[1:]), program.in_avals[0].dtype))
    compiled = jax.jit(program.call).lower(image).compile()
    return 1000 * float(np.median(time_calls(lambda: jax.block_until_ready(compiled(image)), max_seconds=2.0)))


if __name__ == "__main__":
    main()
