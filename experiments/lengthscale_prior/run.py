"""How far lengthscales may differ from each other: ranks and intervals on NAS-Bench-201 by `sharing`.

    python experiments/lengthscale_prior/run.py --table=nas_bench_201_cifar10.csv --first_seed=10    # to choose
    python experiments/lengthscale_prior/run.py --table=nas_bench_201_cifar10.csv                    # to report

The table has a column `architecture` with strings such as `|nor_conv_3x3~0|+|…` and a column of validation
accuracies in percent; `--help` names the flags. Prints means and standard errors over the seeds, as Markdown, and
writes a line for each seed to results.csv beside this file, in place of what there is of these seeds.
"""

import argparse
import csv
import re
from pathlib import Path

import jax
import numpy as np

from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.metrics import coverage, crps, kendall_tau, nlpd

SETTINGS = {
    "sharing 0": GaussianProcess(sharing=0.0),
    "sharing 0.5": GaussianProcess(sharing=0.5),
    "sharing 0.9": GaussianProcess(sharing=0.9),
    "sharing 0.95": GaussianProcess(sharing=0.95),
    "sharing 0.98": GaussianProcess(sharing=0.98),
    "one lengthscale": GaussianProcess(ard=False),
}
METRICS = ("tau", "nlpd", "crps", "coverage_of_95")
RESULTS = Path(__file__).with_name("results.csv")


def read_table(path: Path, accuracy: str) -> tuple[np.ndarray, np.ndarray]:
    """One-hot operations of the six edges `[n, 30]`, and -log(100 - accuracy) `[n]`."""
    rows = list(csv.DictReader(path.open()))
    edges = np.array([re.findall(r"(\w+)~\d", row["architecture"]) for row in rows])
    operations = np.unique(edges)
    x = (edges[:, :, None] == operations).reshape(len(rows), -1).astype(float)
    return x, -np.log(100 - np.array([float(row[accuracy]) for row in rows]))


def measure(surrogate: GaussianProcess, num: int, seed: int, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Fits to `num` random rows and compares predictions of all; likelihood and CRPS in units of y's deviation."""
    known = np.random.default_rng(seed).choice(len(y), num, replace=False)
    state = surrogate.fit(jax.random.key(seed), x[known], y[known])
    posterior, unit = surrogate.predict(state, x, with_noise=True), np.std(y)
    return {
        "tau": kendall_tau(posterior.mean, y),
        "nlpd": nlpd(posterior, y) - np.log(unit),
        "crps": crps(posterior, y) / unit,
        "coverage_of_95": coverage(posterior, y),
    }


def summary(results: list[dict], num: int) -> str:
    lines = ["| n = " + " | ".join((str(num), *METRICS)) + " |", "|---" * (1 + len(METRICS)) + "|"]
    for title in SETTINGS:
        rows = [row for row in results if (row["n"], row["setting"]) == (num, title)]
        values = np.array([[row[name] for name in METRICS] for row in rows])
        errors = values.std(axis=0, ddof=1) / len(rows) ** 0.5
        cells = zip(values.mean(axis=0), errors, strict=True)
        lines.append(f"| {title} | " + " | ".join(f"{mean:.3f} ± {error:.3f}" for mean, error in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--accuracy", default="val_accuracy_200", help="the column of accuracies")
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--num_seeds", type=int, default=10)
    arguments = parser.parse_args()
    x, y = read_table(arguments.table, arguments.accuracy)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.num_seeds)

    results = []
    for num in (32, 100, 200):
        for title, surrogate in SETTINGS.items():
            label = {"n": num, "setting": title}
            results += [label | {"seed": seed} | measure(surrogate, num, seed, x, y) for seed in seeds]
        print(summary(results, num), flush=True)
    others = (
        [row for row in csv.DictReader(RESULTS.open()) if int(row["seed"]) not in seeds] if RESULTS.exists() else []
    )
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, results[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(others)
        writer.writerows(row | {name: f"{row[name]:.4f}" for name in METRICS} for row in results)


if __name__ == "__main__":
    main()
