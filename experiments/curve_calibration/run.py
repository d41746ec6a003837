"""Whether the 95 % interval of a curve's final value, told from its first 20 %, holds: two predictors, three tables.

    python experiments/curve_calibration/run.py FOLDER

FOLDER has the tables that README.md names. Writes extrapolation.csv and process.csv beside this file.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from nas_jax.surrogates.curve_extrapolation import CurveExtrapolation
from nas_jax.surrogates.curve_process import CurveProcess, Curves

TABLES = {
    "nas_bench_nlp_wikitext2.csv": "val_loss_",
    "taskset/imdb_patch32_GRU64_avg_bs128.csv": "valid_loss_",
    "taskset/imdb_patch32_LSTM128_bs128.csv": "valid_loss_",
}
NO_GENES = ("recipe_id", "run", "status", "recipe", "seconds")
NUM_GROUPS, NUM_ENDED, NUM_STOPPED = 4, 30, 25
SEEN, SCARCE = 10, 8  # of 50 measurements; how many of a whole curve the process is given


def read(path: Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    """Quantile ranks of the genes `[n, d]`, and curves `[n, 50]` without what was measured before training."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name.startswith(prefix) and not name.endswith("_0")]
    columns = columns if prefix + "0" not in columns else columns[1:]
    genes = [name for name in rows[0] if "loss" not in name and name not in NO_GENES]
    curves = np.array([[float(row[name] or "nan") for name in columns] for row in rows])
    whole = np.isfinite(curves).all(axis=1)
    raw = np.array([[float(row[name]) for name in genes] for row in rows])[whole]
    ranks = np.stack([np.searchsorted(np.sort(gene), gene) / len(gene) for gene in raw.T], axis=1)
    return ranks, curves[whole]


def extrapolated(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    extrapolation, num = CurveExtrapolation(), curves.shape[1]
    states = [extrapolation.fit(np.arange(1, SEEN + 1), curve[:SEEN]) for curve in curves]
    found = [extrapolation.predict(state, np.array([num])) for state in states]
    return np.array([each.mean[0] for each in found]), np.array([each.std[0] for each in found])


def by_process(
    ranks: np.ndarray, curves: np.ndarray, is_stopped: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, deviations with noise, and what was to be told: the clipped final values of the stopped trainings."""
    num = curves.shape[1]
    seen = np.unique(np.geomspace(1, SEEN, 5).round().astype(int))
    points = {False: np.append(seen, np.geomspace(SEEN, num, SCARCE - 4).round().astype(int)[1:]), True: seen}
    told = [(i, epoch) for i in range(len(curves)) for epoch in points[bool(is_stopped[i])]]
    training, epochs = np.array(told).T
    y = curves[training, epochs - 1]
    limit = np.quantile(y, 0.8)
    share = np.log(epochs) / np.log(num)
    process = CurveProcess()
    state = process.fit(Curves(ranks[training], share, training), np.minimum(y, limit))
    stopped = np.flatnonzero(is_stopped)
    found = process.predict(state, Curves(ranks[stopped], np.ones(len(stopped)), stopped), with_noise=True)
    return np.asarray(found.mean), np.asarray(found.std), np.minimum(curves[stopped, -1], limit)


def main() -> None:
    folder, methods = Path(sys.argv[1]), sys.argv[2:] or ["extrapolation", "process"]
    for method in methods:
        written: list[tuple[str, ...]] = [("table", "mean", "std", "end")]
        for name, prefix in TABLES.items():
            ranks, curves = read(folder / name, prefix)
            groups = np.random.default_rng(0).permutation(len(curves))[: NUM_GROUPS * (NUM_ENDED + NUM_STOPPED)]
            answers = []
            for group in groups.reshape(NUM_GROUPS, -1):
                is_stopped = np.arange(len(group)) >= NUM_ENDED
                if method == "process":
                    answers.append(by_process(ranks[group], curves[group], is_stopped))
                else:
                    answers.append((*extrapolated(curves[group[is_stopped]]), curves[group[is_stopped], -1]))
            mean, std, end = np.concatenate(answers, axis=1)
            rows = zip(mean, std, end, strict=True)
            written += [(name, *(f"{number:.6g}" for number in row)) for row in rows]
            summarise(f"{name} {method}", mean, std, end)
        with (Path(__file__).parent / f"{method}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(written)


def summarise(title: str, mean: np.ndarray, std: np.ndarray, end: np.ndarray) -> None:
    z = (end - mean) / std
    density = -0.5 * z**2 - np.log(std) - 0.5 * np.log(2 * np.pi)
    print(
        f"{title}: {len(z)} curves, coverage {np.mean(np.abs(z) < 1.96):.3f}, log density {density.mean():.2f}, "
        f"median {np.median(density):.2f}, width {np.median(3.92 * std):.3f}, "
        f"median error {np.median(np.abs(end - mean)):.4f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
