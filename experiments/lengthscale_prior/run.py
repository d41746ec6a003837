"""How far lengthscales may differ from each other: ranks and coverage on NAS-Bench-201 by `sharing`.

    python experiments/lengthscale_prior/run.py --table=nas_bench_201_cifar10.csv

The table has a column `architecture` with strings such as `|nor_conv_3x3~0|+|…` and a column of validation
accuracies in percent; `--help` names the flags. Writes results.csv beside this file.
"""

import argparse
import csv
import re
import statistics
import time
from pathlib import Path

import jax
import numpy as np

from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.metrics import coverage, kendall_tau

SETTINGS = {
    "a lengthscale a feature, sharing 0": GaussianProcess(sharing=0.0),
    "a lengthscale a feature, sharing 0.5": GaussianProcess(sharing=0.5),
    "a lengthscale a feature, sharing 0.9": GaussianProcess(sharing=0.9),
    "a lengthscale a feature, sharing 0.95": GaussianProcess(sharing=0.95),
    "one lengthscale": GaussianProcess(ard=False),
}


def read_table(path: Path, accuracy: str) -> tuple[np.ndarray, np.ndarray]:
    """One-hot operations of the six edges `[n, 30]`, and -log(100 - accuracy) `[n]`."""
    rows = list(csv.DictReader(path.open()))
    edges = np.array([re.findall(r"(\w+)~\d", row["architecture"]) for row in rows])
    operations = sorted(set(edges.ravel()))
    x = np.stack([edges == operation for operation in operations], axis=-1).reshape(len(rows), -1)
    return x.astype(float), -np.log(100 - np.array([float(row[accuracy]) for row in rows]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--accuracy", default="val_accuracy_200", help="the column of accuracies")
    parser.add_argument("--num_seeds", type=int, default=10)
    arguments = parser.parse_args()
    x, y = read_table(arguments.table, arguments.accuracy)

    results = []
    for num in (32, 100):
        for title, surrogate in SETTINGS.items():
            taus, coverages, start = [], [], time.perf_counter()
            for seed in range(arguments.num_seeds):
                known = np.random.default_rng(seed).choice(len(y), num, replace=False)
                state = surrogate.fit(jax.random.key(seed), x[known], y[known])
                posterior = surrogate.predict(state, x, with_noise=True)
                taus.append(kendall_tau(posterior.mean, y))
                coverages.append(coverage(posterior, y))
            error = statistics.stdev(taus) / len(taus) ** 0.5
            results.append(
                {
                    "n": num,
                    "surrogate": title,
                    "tau": round(statistics.mean(taus), 3),
                    "tau_standard_error": round(error, 3),
                    "coverage_of_95": round(statistics.mean(coverages), 3),
                }
            )
            print(*results[-1].values(), f"{time.perf_counter() - start:.0f} s", sep="  ", flush=True)
    with Path(__file__).with_name("results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, results[0].keys())
        writer.writeheader()
        writer.writerows(results)


if __name__ == "__main__":
    main()
