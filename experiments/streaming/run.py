"""Trains on examples in memory and on examples in files: what either costs in time and in memory.

    python experiments/streaming/run.py --num=20000 --runs=3

Writes results.csv beside this file. Each training is a process of its own.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

from nas_jax.data.arrays import load
from nas_jax.data.class_folders import ClassFolders
from nas_jax.spaces.chain_network import ChainNetwork
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.fit import prepare, train
from nas_jax.train.recipe import Recipe

RESULTS = Path(__file__).with_name("results.csv")
SIZE = (96, 96)
NUM_EPOCHS = 3
CHAIN = ("max", "conv3x3-8", "max", "fc-16")  # little to compute, so that reading counts
FIELDS = ("method", "num_examples", "run", "load_seconds", "epoch_seconds", "own_mb", "train_loss")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=20_000, help="pictures")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--in_this_process", nargs=2, metavar=("PICTURES", "STREAM_DIR"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_this_process:
        train_once(*arguments.in_this_process)
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder) / "pictures", arguments.num)
        for run in range(arguments.runs):
            for method, stream_dir in (("memory", ""), ("files", f"{folder}/stream")):
                command = [sys.executable, __file__, "--in_this_process", f"{folder}/pictures", stream_dir]
                printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
                rows.append((method, arguments.num, run, *printed.strip().split(",")))
                print(*rows[-1], flush=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        writer.writerows(rows)


def write_pictures(folder: Path, num: int) -> None:
    """JPEG files of four classes; a class has more of one colour."""
    rng = np.random.default_rng(0)
    for name in "abcd":
        (folder / name).mkdir(parents=True)
    for place in range(num):
        pixels = rng.integers(0, 200, (SIZE[0] // 4, SIZE[1] // 4, 3), dtype=np.uint8)
        if place % 4:
            pixels[..., place % 4 - 1] += 40
        Image.fromarray(pixels).resize(SIZE[::-1]).save(folder / "abcd"[place % 4] / f"{place}.jpg")


def train_once(pictures: str, stream_dir: str) -> None:
    """Prints the last four of the `FIELDS`."""
    begun = time.perf_counter()
    source = ClassFolders(pictures, size=SIZE, share=0.02, stream_dir=stream_dir)
    dataset = load(source)
    seconds = time.perf_counter() - begun
    recipe = Recipe(num_epochs=NUM_EPOCHS, batch_size=128, learning_rate=0.02)
    prepared = prepare(ChainNetwork(CHAIN, len(dataset.class_names)), load_problem(Classification(), source), recipe)
    ends: list[float] = []
    peak = Peak()
    (fitted,) = train(prepared, [0], lambda *_: ends.append(time.perf_counter()))
    epoch = (ends[-1] - ends[0]) / (NUM_EPOCHS - 1)
    print(f"{seconds:.1f},{epoch:.2f},{peak.stop():.0f},{fitted.metrics['train_loss']:.6f}")


class Peak:
    """The most memory that this process has of its own, sampled ten times a second; files that it maps do not count."""

    def __init__(self) -> None:
        self._most = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        """In 2^20 bytes."""
        self._is_over.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._is_over.wait(0.1):
            lines = Path("/proc/self/status").read_text().splitlines()
            own = next(line for line in lines if line.startswith("RssAnon"))
            self._most = max(self._most, int(own.split()[1]) / 1024)


if __name__ == "__main__":
    main()
