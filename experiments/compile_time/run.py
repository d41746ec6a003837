"""What a new architecture costs before it trains, and how fast it trains then: three ways to compile it.

    python experiments/compile_time/run.py

Chains of configs/cifar10.py, drawn with a fixed seed, on made-up images of CIFAR-10's shape, on one core with the
memory settings of a worker. Each way has a process of its own. Writes results.csv beside this file; report.py reads it.
"""

import csv
import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

from nas_jax.cpu.memory import MALLOC_VARIABLES
from nas_jax.data.synthetic import Synthetic
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train import batch_programs, evaluation
from nas_jax.train.fit import prepare, train
from nas_jax.train.recipe import Recipe

WAYS = ("plain", "network", "layers")  # XLA's own options; ours, for whole networks; ours, for layers
NUM_CHAINS = 24
NUM_STEPS = 8
RECIPE = Recipe(num_epochs=1, batch_size=128, warmup_epochs=0.5)
RESULTS = Path(__file__).with_name("results.csv")


def main() -> None:
    rows = []
    for way in WAYS:
        # malloc reads its settings when a process starts.
        environment = os.environ | MALLOC_VARIABLES | {"NPROC": "1", "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, __file__, way]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        rows += [json.loads(line) for line in done.stdout.splitlines()]
        print(way, "load", *os.getloadavg(), flush=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def measure(way: str) -> None:
    """Prints a line of JSON for each chain. All seconds are CPU seconds of the process."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if way == "plain":
        batch_programs.compiler_options = evaluation.compiler_options = lambda: None
    space = Chain((32, 32, 3), 10, min_feature_layers=2, max_feature_layers=5)
    num_train = NUM_STEPS * RECIPE.batch_size
    source = Synthetic(image_shape=(32, 32, 3), num_classes=10, num_train=num_train, num_val=256, num_test=256)
    problem = load_problem(Classification(), source)
    recipe = dataclasses.replace(RECIPE, compilation="layers" if way == "layers" else "network")
    num_programs = CountedPrograms()
    for number, genome in enumerate(space.sample(np.random.default_rng(0), NUM_CHAINS)):
        num_before, start = num_programs.value, time.process_time()
        prepared = prepare(space.network(genome, recipe.dtype), problem, recipe)
        prepared_at = time.process_time()
        train(prepared, [0])  # takes its memory
        num_after, begun = num_programs.value, time.process_time()
        train(prepared, [0])
        row = {
            "way": way,
            "number": number,
            "chain": space.describe(genome),
            "prepare_s": round(prepared_at - start, 3),
            "epoch_s": round(time.process_time() - begun, 3),
            "programs": num_after - num_before,
        }
        print(json.dumps(row), flush=True)
        jax.clear_caches()  # as a worker does after each trial


class CountedPrograms:
    """How many programs this process has compiled."""

    def __init__(self) -> None:
        self.value = 0
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **_: str | int) -> None:
        self.value += bool(re.search("backend_compile_duration$", event))


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
