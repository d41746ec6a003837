"""How long one proposal takes with 150 and with 1,000 finished trials, over all cells of NAS-Bench-201.

    python experiments/search_benchmark/proposal_time.py --path nas_bench_201_cifar10.csv

Each proposal has one finished trial more than the one before. The first ones, which compile, are not counted.
"""

import argparse
import csv
import resource
import time

import numpy as np

from nas_jax.spaces.nb201 import NasBench201, canonical, parse
from nas_jax.strategies.bayesopt import Bayesopt
from nas_jax.trial import History

NUMS, NUM_FIRST, NUM_TIMED = (150, 1000), 4, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", required=True, help="the table, with columns architecture and val_accuracy_200")
    with open(parser.parse_args().path, encoding="utf-8", newline="") as file:
        rows = {canonical(parse(row["architecture"])): float(row["val_accuracy_200"]) for row in csv.DictReader(file)}
    genomes, scores = list(rows), np.array(list(rows.values()))
    order = np.random.default_rng(0).permutation(len(genomes))
    strategy = Bayesopt(NasBench201((32, 32, 3), 10))
    for num in NUMS:
        seconds = []
        for more in range(NUM_FIRST + NUM_TIMED):
            chosen = order[: num + more]
            places, known = tuple(range(len(chosen))), tuple(genomes[place] for place in chosen)
            history = History(places, places, known, scores[chosen][:, None], (None,) * len(chosen), (), ())
            started = time.perf_counter()
            strategy.propose(np.random.default_rng(more), history, 1)
            seconds.append(time.perf_counter() - started)
        timed = seconds[NUM_FIRST:]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{num}: median {np.median(timed):.3f} s, at most {max(timed):.3f} s; {memory:.0f} MB at most so far")


if __name__ == "__main__":
    main()
