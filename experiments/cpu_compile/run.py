"""Compiling a network for training and evaluation, and a training step, with XLA's own options and with ours.

    python experiments/cpu_compile/run.py

Chains of configs/cifar10.py, drawn with a fixed seed, on made-up images of CIFAR-10's shape, on one core with the
memory settings of a worker. Both forms of a chain are timed one after the other. Writes results.csv beside this file.
"""

import csv
import os
import statistics
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from nas_jax.data.synthetic import Synthetic
from nas_jax.executors.slots import worker_variables
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train import evaluation, parallel
from nas_jax.train.fit import prepare, train
from nas_jax.train.recipe import Recipe

NUM_CHAINS = 8
NUM_STEPS = 8
RECIPE = Recipe(num_epochs=1, batch_size=128, warmup_epochs=0.5)


def main() -> None:
    space = Chain(
        (32, 32, 3), 10, conv_filters=(16, 32, 64), fc_units=(128, 256, 512), min_feature_layers=2, max_feature_layers=5
    )
    num_train = NUM_STEPS * RECIPE.batch_size
    source = Synthetic(image_shape=(32, 32, 3), num_classes=10, num_train=num_train, num_val=256, num_test=256)
    problem = load_problem(Classification(), source)
    rows = []
    for genome in space.sample(np.random.default_rng(0), NUM_CHAINS):
        row: dict[str, float | str] = {"chain": space.describe(genome)}
        for name, is_plain in (("plain", True), ("ours", False)):
            with options(is_plain):
                prepared = prepare(space.network(genome, RECIPE.dtype), problem, RECIPE)
            train(prepared, [0])  # takes its memory
            start = time.perf_counter()
            train(prepared, [0])
            row[f"{name}_prepare_s"] = round(prepared.seconds, 2)
            row[f"{name}_epoch_s"] = round(time.perf_counter() - start, 2)
        rows.append(row)
        print(*row.values(), sep="  ", flush=True)
    for what in ("prepare", "epoch"):
        ratios = sorted(float(row[f"plain_{what}_s"]) / float(row[f"ours_{what}_s"]) for row in rows)
        print(f"{what}: {statistics.median(ratios):.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    print("load", *os.getloadavg())
    with Path(__file__).with_name("results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def options(is_plain: bool):
    """Compiles as XLA does unless told otherwise, if `is_plain`."""
    modules = (evaluation, parallel)
    ours = [module.compiler_options for module in modules]
    if is_plain:
        for module in modules:
            module.compiler_options = lambda: None
    try:
        yield
    finally:
        for module, function in zip(modules, ours, strict=True):
            module.compiler_options = function


if __name__ == "__main__":
    variables = worker_variables(num_threads=1)
    if any(os.environ.get(name) != value for name, value in variables.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | variables)  # malloc reads them at the start
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main()
