"""Holds the latencies of a search against those of the programs that it has exported: a row a point of the front.

    python experiments/front_latency/run.py --workdir=runs/cifar10-latency

The workdir is that of a run of `configs/cifar10.py:latency` that has ended. Writes results.csv beside this file. What
the surrogate of now expects, it has learned from the trials of that search alone, with several seeds.
"""

import argparse
import csv
from pathlib import Path

import jax
import numpy as np
from jax import export

from nas_jax.config import with_defaults
from nas_jax.json_files import read_json
from nas_jax.run import recorded_parts
from nas_jax.store import read_trials
from nas_jax.strategies.pools import scale_of
from nas_jax.timed_calls import time_calls
from nas_jax.trial import Trial

RESULTS = Path(__file__).with_name("results.csv")
PLACE = 1  # of latency_ms among the objectives
NUM_SEEDS = 10


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
    rows, expected = [], expected_milliseconds(workdir, list(trials.values()))
    for folder in sorted((workdir / "front").iterdir(), key=lambda folder: int(folder.name)):
        trial = trials[int(folder.name)]
        rows.append(
            {
                "trial": trial.id,
                "description": trial.description,
                "predicted_ms": predicted_milliseconds(trial),
                "expected_now_ms": expected[trial.id],
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
    for what in ("predicted_ms", "expected_now_ms", "in_search_ms", "before_training_ms"):
        errors = [abs(row[what] / row["exported_ms"] - 1) for row in rows if row[what] is not None]
        if errors:
            print(f"{what}: {len(errors)} points, off by {np.median(errors):.1%} (median), {max(errors):.1%} at most")


def predicted_milliseconds(trial: Trial) -> float | None:
    """What the surrogate expected when it picked the network for the full training; values count upwards there."""
    return -trial.predictions[PLACE].mean if trial.predictions else None


def expected_milliseconds(workdir: Path, trials: list[Trial]) -> dict[int, float]:
    """What the finalists' surrogate expects of them, by trial: the median over seeds."""
    parts = recorded_parts(workdir, with_defaults(read_json(workdir / "config.json")))
    history = parts.objectives.history([trial for trial in trials if trial.stage == "search"])
    finalists = [trial for trial in trials if trial.stage == "final"]
    space = parts.learner.space
    x = space.encode([*history.genomes, *history.failed, *(trial.genome for trial in finalists)])
    x = scale_of(x)(x)
    learner, latencies = parts.learner.of("latency_ms"), history.of(history.values[:, PLACE])
    found = []
    for seed in range(NUM_SEEDS):
        mixture = next(learner.mixtures(jax.random.key(seed), x, latencies, x[-len(finalists) :]))
        found.append([-each.mean for each in mixture])
    return dict(zip((trial.id for trial in finalists), np.median(found, axis=0).tolist(), strict=True))


def exported_milliseconds(path: Path) -> float:
    """Median of the calls with one image, by JAX alone."""
    program = export.deserialize(bytearray(path.read_bytes()))
    (shape,) = (aval.shape for aval in program.in_avals)
    image = jax.device_put(np.zeros((1, *shape[1:]), program.in_avals[0].dtype))
    compiled = jax.jit(program.call).lower(image).compile()
    return 1000 * float(np.median(time_calls(lambda: jax.block_until_ready(compiled(image)), max_seconds=2.0)))


if __name__ == "__main__":
    main()
