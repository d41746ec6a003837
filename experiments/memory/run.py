"""Resident memory of one process that trains many architectures, one after the other.

    python experiments/memory/run.py --variants nothing clear_caches

Each variant is a process of its own, with the environment of a worker. Training is a few steps, since memory is what
compilation leaves behind. Writes results.csv beside this file.
"""

import argparse
import csv
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from nas_jax.data.synthetic import Synthetic
from nas_jax.evaluators.training import Training
from nas_jax.executors.slots import worker_variables
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.classification import Classification
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Trial

RESULTS = Path(__file__).with_name("results.csv")
VARIANTS: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "collect": gc.collect,
    "clear_caches": jax.clear_caches,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--num_architectures", type=int, default=300)
    parser.add_argument("--in_this_process", action="store_true", help="what a process of a variant is started with")
    arguments = parser.parse_args()
    if arguments.in_this_process:
        (variant,) = arguments.variants
        train_all(variant, arguments.num_architectures)
        return
    rows: list[dict[str, str]] = []
    for variant in arguments.variants:
        command = [sys.executable, __file__, "--in_this_process", "--variants", variant]
        command += ["--num_architectures", str(arguments.num_architectures)]
        environment = os.environ | worker_variables(num_threads=1)
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        rows += csv.DictReader(done.stdout.splitlines())
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def train_all(variant: str, num: int) -> None:
    """Prints a line of CSV for every tenth architecture."""
    space = Chain((8, 8, 3), 10, min_feature_layers=2, max_feature_layers=5)
    source = Synthetic(image_shape=(8, 8, 3), num_classes=10, num_train=64, num_val=64, num_test=64)
    training = Training(space, source, Classification(), Recipe(num_epochs=1, batch_size=32, warmup_epochs=0.5))
    print("variant,num_architectures,resident_mb,cpu_seconds_each")
    start = time.process_time()
    for i, genome in enumerate(space.sample(np.random.default_rng(0), num), start=1):
        training.measure(Trial(i, genome, "", "search", seed=i))
        VARIANTS[variant]()
        if i % 10 == 0:
            now = time.process_time()
            print(variant, i, round(resident_mb(), 1), round((now - start) / 10, 3), sep=",", flush=True)
            start = now


def resident_mb() -> float:
    """Memory of this process that is in RAM (Linux), in 2^20 bytes."""
    num_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return num_pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
