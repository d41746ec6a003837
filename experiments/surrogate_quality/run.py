"""How good the surrogates are on two published tables, beside scikit-learn's Gaussian process and forest.

    python experiments/surrogate_quality/run.py --nb201=nas_bench_201_cifar10.csv --macro=nas-bench-macro_cifar10.json
    python experiments/surrogate_quality/run.py --plot

The first command takes either table or both, and appends a line to results.csv beside this file after each
measurement; given again, it goes on where it stopped. The second one prints the tables of README.md and draws
quality.png. NAS-Bench-201 is measured three times: with the operations of the raw strings one-hot, with the encoding
of the space `nb201`, and with that and its free features. The CSV table has a column `architecture` with strings such
as `|nor_conv_3x3~0|+|…` and a column of accuracies in percent; the JSON table maps strings of digits to objects with a
`mean_acc`.
"""

import argparse
import csv
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import starmap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from nas_jax.spaces.nb201 import NasBench201, parse
from nas_jax.surrogates.base import Posterior, Surrogate
from nas_jax.surrogates.calibrated import Calibrated
from nas_jax.surrogates.deep_ensemble import DeepEnsemble
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.metrics import calibration_error, coverage, crps, kendall_tau, nlpd, spearman
from nas_jax.surrogates.random_forest import RandomForest
from nas_jax.surrogates.svm import SVM

HERE = Path(__file__).parent
NUMS = (32, 100, 200)
OWN_TITLES = {False: "NAS-Bench-201, own encoding", True: "NAS-Bench-201, own encoding, free features"}
LEVELS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95)  # percent
LABEL = ("table", "n", "method", "seed")
METRICS = ("tau", "spearman", "nlpd", "crps", "coverage_of_95", "calibration_error")
FIELDS = (*LABEL, *METRICS, *(f"coverage_of_{level}" for level in LEVELS[:-1]))

# A method is fitted to x [n, d] and y [n] and returns a function that predicts measurements. `groups` says which gene
# each feature is of.
Method = Callable[[int, np.ndarray, np.ndarray, tuple], Callable[[np.ndarray], Posterior]]


def library(surrogate: Surrogate) -> Method:
    def fit(seed, x, y, groups):
        state = surrogate.fit(jax.random.key(seed), x, y)
        return lambda x_new: surrogate.predict(state, x_new, with_noise=True)

    return fit


def ours(grouped: bool = False, **settings) -> Method:
    def fit(seed, x, y, groups):
        return library(replace(GaussianProcess(**settings), groups=groups if grouped else None))(seed, x, y, groups)

    return fit


def scikit_learn(ard: bool) -> Method:
    def fit(seed, x, y, groups):
        lengthscale = np.ones(x.shape[1]) if ard else 1.0
        kernel = ConstantKernel() * Matern(lengthscale, nu=2.5) + WhiteKernel()
        regressor = GaussianProcessRegressor(kernel, n_restarts_optimizer=3, normalize_y=True, random_state=seed)
        regressor.fit(x, y)
        return lambda x_new: Posterior(*map(jnp.asarray, regressor.predict(x_new, return_std=True)))

    return fit


def random_forest(seed, x, y, groups):
    forest = RandomForestRegressor(500, random_state=seed).fit(x, y)

    def predict(x_new):
        trees = np.stack([tree.predict(x_new) for tree in forest.estimators_])  # [500, m]
        return Posterior(jnp.asarray(trees.mean(axis=0)), jnp.asarray(np.maximum(trees.std(axis=0), 1e-6)))

    return predict


Methods = dict[str, tuple[Method, int]]  # and the largest n that it is measured at
ONE_HOT: Methods = {
    "ours": (ours(), 200),
    "ours, one lengthscale": (ours(ard=False), 200),
    "ours, a lengthscale a gene": (ours(grouped=True), 200),
    "ours, independent lengthscales": (ours(sharing=0.0), 100),
    "ours, no warp": (ours(warp="identity"), 200),
    "ours, one lengthscale, no warp": (ours(ard=False, warp="identity"), 200),
    "ours, a lengthscale a gene, no warp": (ours(grouped=True, warp="identity"), 200),
    "scikit-learn, one lengthscale": (scikit_learn(ard=False), 200),
    "scikit-learn, a lengthscale a feature": (scikit_learn(ard=True), 100),
    "random forest": (random_forest, 200),
}

SURROGATES = (GaussianProcess(), RandomForest(), SVM(), DeepEnsemble())
OWN_ENCODING: Methods = {type(surrogate).__name__: (library(surrogate), 200) for surrogate in SURROGATES} | {
    f"Calibrated({type(surrogate).__name__})": (library(Calibrated(surrogate)), 200) for surrogate in SURROGATES
}

STYLES = {  # of the methods in the figure: Okabe-Ito colours, and a marker each
    "ours": ("#0072B2", "o"),
    "ours, one lengthscale": ("#56B4E9", "s"),
    "ours, no warp": ("#009E73", "^"),
    "ours, independent lengthscales": ("#CC79A7", "v"),
    "scikit-learn, one lengthscale": ("#D55E00", "D"),
    "scikit-learn, a lengthscale a feature": ("#E69F00", "P"),
    "random forest": ("#8C8C8C", "X"),
}

ACCURACY = "val_accuracy_200"  # the usual column of NAS-Bench-201


def read_nb201(path: Path, accuracy: str) -> tuple[np.ndarray, np.ndarray]:
    """The operations of the six edges `[n, 6]`, and accuracies in percent `[n]`."""
    rows = list(csv.DictReader(path.open()))
    genes = np.array([re.findall(r"(\w+)~\d", row["architecture"]) for row in rows])
    return genes, np.array([float(row[accuracy]) for row in rows])


def read_macro(path: Path, accuracy: str) -> tuple[np.ndarray, np.ndarray]:
    """The blocks of the eight layers `[n, 8]`, and accuracies in percent `[n]`."""
    table = json.loads(path.read_text())
    return np.array([list(chain) for chain in table]), np.array([entry[accuracy] for entry in table.values()])


def encode(genes: np.ndarray, accuracies: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple]:
    """One-hot genes `[n, d]`, -log(100 - accuracy) `[n]`, and the gene of each feature `[d]`."""
    choices = np.unique(genes)
    x = (genes[:, :, None] == choices).reshape(len(genes), -1).astype(float)
    return x, -np.log(100 - accuracies), tuple(np.repeat(np.arange(genes.shape[1]), len(choices)).tolist())


def encode_as_space(path: Path, accuracy: str, free_features: bool) -> tuple[np.ndarray, np.ndarray, tuple]:
    """The space's own features `[n, d]`, accuracies in percent `[n]`, and no genes."""
    space = NasBench201((32, 32, 3), 10, encoding="functional", free_features=free_features)
    rows = list(csv.DictReader(path.open()))
    x = space.encode([parse(row["architecture"]) for row in rows])
    return np.asarray(x, np.float64), np.array([float(row[accuracy]) for row in rows]), ()


def measure(method: Method, num: int, seed: int, x: np.ndarray, y: np.ndarray, groups: tuple) -> dict[str, float]:
    known = np.random.default_rng(seed).choice(len(y), num, replace=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # scikit-learn's bounds, which are wide
        predict = method(seed, x[known], y[known], groups)
    posterior, unit = predict(x), np.std(y)
    return {
        "tau": kendall_tau(posterior.mean, y),
        "spearman": spearman(posterior.mean, y),
        "nlpd": nlpd(posterior, y) - np.log(unit),
        "crps": crps(posterior, y) / unit,
        "calibration_error": calibration_error(posterior, y),
        **{f"coverage_of_{level}": coverage(posterior, y, level / 100) for level in LEVELS},
    }


def read_results(path: Path) -> list[dict]:
    rows = list(csv.DictReader(path.open())) if path.exists() else []
    return [{name: value if name in LABEL else float(value) for name, value in row.items()} for row in rows]


def run(title: str, table: tuple[np.ndarray, np.ndarray, tuple], methods: Methods, num_seeds: int, path: Path) -> None:
    done = {tuple(row[name] for name in LABEL) for row in read_results(path)}
    for num in NUMS:
        for name, (method, largest) in methods.items():
            for seed in range(num_seeds if num <= largest else 0):
                label = (title, str(num), name, str(seed))
                if label in done:
                    continue
                result = measure(method, num, seed, *table)
                row = dict(zip(LABEL, label, strict=True)) | {key: f"{value:.4f}" for key, value in result.items()}
                is_new = not path.exists()
                with path.open("a", newline="") as file:
                    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
                    if is_new:
                        writer.writeheader()
                    writer.writerow(row)
                print(*label, row["tau"], row["coverage_of_95"], flush=True)


def summary(rows: list[dict]) -> str:
    """Means and standard errors, as a Markdown table for each n and table."""
    lines = []
    for table, num in dict.fromkeys((row["table"], row["n"]) for row in rows):
        lines += [f"\n{table}, n = {num}\n", "| | " + " | ".join(METRICS) + " |", "|---" * (len(METRICS) + 1) + "|"]
        for method in ONE_HOT | OWN_ENCODING:
            chosen = [row for row in rows if (row["table"], row["n"], row["method"]) == (table, num, method)]
            if chosen:
                values = np.array([[row[name] for name in METRICS] for row in chosen])
                errors = values.std(axis=0, ddof=1) / len(values) ** 0.5
                cells = zip(values.mean(axis=0), errors, strict=True)
                lines.append(f"| {method} | " + " | ".join(starmap(_cell, cells)) + " |")
    return "\n".join(lines)


def _cell(mean: float, error: float) -> str:
    digits = 3 if abs(mean) < 100 else 0
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def plot(rows: list[dict], path: Path) -> None:
    """A row for each table: ranks against n, and coverage against the nominal level at n = 100."""
    tables = list(dict.fromkeys(row["table"] for row in rows if row["method"] in STYLES))
    figure = Figure(figsize=(9.6, 4.3 * len(tables) + 0.9), layout=ConstrainedLayoutEngine(h_pad=0.12))
    panels = figure.subplots(len(tables), 2, squeeze=False)
    for (ranks, levels), table in zip(panels, tables, strict=True):
        levels.plot([0, 100], [0, 100], color="black", linewidth=1, linestyle=":")
        for position, (method, (colour, marker)) in enumerate(STYLES.items()):
            style = {"color": colour, "marker": marker, "linewidth": 1.5, "markersize": 5}
            chosen = [row for row in rows if (row["table"], row["method"]) == (table, method)]
            nums = sorted({int(row["n"]) for row in chosen})
            taus = [np.array([row["tau"] for row in chosen if int(row["n"]) == num]) for num in nums]
            error = [np.std(values, ddof=1) / len(values) ** 0.5 for values in taus]
            shifted = np.array(nums) * 1.012 ** (position - len(STYLES) // 2)  # so that bars do not hide each other
            ranks.errorbar(shifted, [np.mean(tau) for tau in taus], error, label=method, **style)
            at_100 = [row for row in chosen if row["n"] == "100"]
            observed = [100 * np.mean([row[f"coverage_of_{level}"] for row in at_100]) for level in LEVELS]
            levels.plot(LEVELS, observed, **style)
        ranks.set(title=f"{table}: ranks", xscale="log", xlabel="n, architectures measured", ylabel="Kendall's tau")
        ranks.set_xticks(NUMS, [str(num) for num in NUMS])
        ranks.minorticks_off()
        levels.set(title=f"{table}: calibration at n = 100", xlim=(0, 100), ylim=(0, 100))
        levels.set(xlabel="Intervals that should hold (%)", ylabel="did hold (%)", aspect="equal")
    for axes in panels.ravel():
        axes.grid(color="#E3E3E3", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nb201", type=Path, help="the table of NAS-Bench-201")
    parser.add_argument("--macro", type=Path, help="the table of NAS-Bench-Macro")
    parser.add_argument("--nb201_accuracy", default=ACCURACY, help="its column of accuracies")
    parser.add_argument("--num_seeds", type=int, default=10)
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    parser.add_argument("--plot", action="store_true", help="tables and figure from results.csv")
    arguments = parser.parse_args()
    if arguments.nb201:
        of = "" if arguments.nb201_accuracy == ACCURACY else f" {arguments.nb201_accuracy}"
        table = encode(*read_nb201(arguments.nb201, arguments.nb201_accuracy))
        run(f"NAS-Bench-201{of}", table, ONE_HOT, arguments.num_seeds, arguments.results)
        for free_features, title in OWN_TITLES.items():
            table = encode_as_space(arguments.nb201, arguments.nb201_accuracy, free_features)
            run(f"{title}{of}", table, OWN_ENCODING, arguments.num_seeds, arguments.results)
    if arguments.macro:
        table = encode(*read_macro(arguments.macro, "mean_acc"))
        run("NAS-Bench-Macro", table, ONE_HOT, arguments.num_seeds, arguments.results)
    if arguments.plot:
        rows = read_results(arguments.results)
        print(summary(rows))
        plot(rows, HERE / "quality.png")


if __name__ == "__main__":
    main()
