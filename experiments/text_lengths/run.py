"""What an epoch of texts costs if batches are of about one length, and what compiling the lengths costs.

    taskset -c 0 python experiments/text_lengths/run.py [--path=FOLDER]

Of the sentences of SciPy's documentation, or of lines with a class each in a folder (`docs/text.md`). Epochs with and
without lengths are trained in turn; CPU time is taken, which other processes lengthen less than they do
time. Writes results.csv beside this file, or adds to it what is of other data.
"""

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from flax import linen as nn

from nas_jax.data.docstrings import Docstrings
from nas_jax.data.table_text import TableText
from nas_jax.spaces.base import NetworkSpace
from nas_jax.spaces.recurrent import Recurrent
from nas_jax.spaces.transformer import Transformer
from nas_jax.tasks.base import Problem, load_problem, space_fields
from nas_jax.tasks.text_classification import TextClassification
from nas_jax.train.fit import Leg, Prepared, prepare, train
from nas_jax.train.lengths import lengths_of
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Genome

NUM_ROUNDS = 5
NETWORKS: tuple[tuple[Callable[..., NetworkSpace], Genome], ...] = (
    (Recurrent, ("gru", 1, 64, 64, 0.2, "both", "max")),
    (Recurrent, ("gru", 1, 256, 128, 0.2, "both", "max")),
    (Transformer, (2, 64, 2, 4, "learned", "before", "gelu", 0.1, "mean")),
)
SHORT = Recipe(1, batch_size=64, warmup_epochs=0.1)  # takes its batches in the whole length
LONG = Recipe(100, batch_size=64, warmup_epochs=0.1)
RESULTS = Path(__file__).with_name("results.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", default="")
    arguments = parser.parse_args()
    problem = load_problem(TextClassification(), TableText(arguments.path) if arguments.path else Docstrings())
    print(f"{problem.dataset.name}: lengths {lengths_of(problem.dataset).each}")
    rows = [row for row in known_rows() if row["data"] != problem.dataset.name]
    spaces = [(kind(**space_fields(problem.task, problem.dataset.spec)), genome) for kind, genome in NETWORKS]
    networks = [(space.describe(genome), space.network(genome, np.dtype("float32"))) for space, genome in spaces]
    prepare(networks[0][1], problem, SHORT)  # what a process does once is not counted
    for name, network in networks:
        rows.append({"data": problem.dataset.name, "network": name, **compare(problem, network)})
        print(*rows[-1].values(), sep="  ", flush=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def known_rows() -> list[dict]:
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def compare(problem: Problem, network: nn.Module) -> dict:
    compiling, prepared = [], []
    for recipe in (SHORT, LONG):
        start = time.process_time()
        prepared.append(prepare(network, problem, recipe))
        compiling.append(time.process_time() - start)
        epoch_seconds(prepared[-1])  # takes its memory
    rounds = [[epoch_seconds(each) for each in prepared] for _ in range(NUM_ROUNDS)]
    ratios = [whole / by_length for whole, by_length in rounds]
    return {
        "whole_s": round(statistics.median(row[0] for row in rounds), 2),
        "by_length_s": round(statistics.median(row[1] for row in rounds), 2),
        "speedup": round(statistics.median(ratios), 2),
        "speedup_min": round(min(ratios), 2),
        "speedup_max": round(max(ratios), 2),
        "compile_more_s": round(compiling[1] - compiling[0], 2),
    }


def epoch_seconds(prepared: Prepared) -> float:
    start = time.process_time()
    train(prepared, [0], leg=Leg(1))
    return time.process_time() - start


if __name__ == "__main__":
    main()
