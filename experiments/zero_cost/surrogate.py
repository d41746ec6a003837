"""What zero-cost columns bring to the surrogate: Kendall's tau over all cells of NAS-Bench-201 after 32 and 100 trials.

    python experiments/zero_cost/surrogate.py --table=nas_bench_201_cifar10.csv \
        --columns=nas_bench_201_zero_cost_cifar10.csv

The surrogate is the one that searches have, its targets ranks, its space our own of the benchmark. Columns are given as
they are, as logarithms (the sign kept), or as ranks in the table; each row is written as soon as it is known, and none
that is there is made again. At the end, or without tables, the table of the README is printed.
"""

import argparse
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
from scipy.stats import kendalltau, rankdata

from nas_jax.features.space import with_features
from nas_jax.spaces.nb201 import NasBench201, canonical, parse
from nas_jax.strategies.learner import Learner, is_by_spread
from nas_jax.strategies.pools import scale_of
from nas_jax.strategies.recommended import recommended_surrogate
from nas_jax.trial import Genome, History

SPACE = NasBench201((32, 32, 3), 10, "functional")
SCORES = ("synflow", "nwot", "jacov", "grad_norm")
FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as they are": lambda column: column,
    "logarithms": lambda column: np.sign(column) * np.log1p(np.abs(column)),
    "ranks": lambda column: rankdata(column) / len(column),
}
SETS = {"none": (), "scores": SCORES, "synflow": ("synflow",), "nwot": ("nwot",), "jacov": ("jacov",)}
RESULTS = Path(__file__).parent / "surrogate.csv"
LABEL = ("features", "form", "num_trials", "seed")


@dataclass(frozen=True)
class Given:
    """Features that are known of all genomes."""

    names: tuple[str, ...]
    rows: Mapping[Genome, np.ndarray] = field(compare=False, repr=False)
    limit: None = None

    def of(self, genomes: Sequence[Genome]) -> np.ndarray:
        return np.array([self.rows[genome] for genome in genomes]).reshape(len(genomes), len(self.names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", help="the table of NAS-Bench-201")
    parser.add_argument("--columns", help="that of its zero-cost columns")
    parser.add_argument("--num_seeds", type=int, default=10)
    parser.add_argument("--forms", default=",".join((*FORMS, "evened")))
    parser.add_argument("--sets", default=",".join(SETS))
    options = parser.parse_args()
    if options.table and options.columns:
        names, forms = options.sets.split(","), options.forms.split(",")
        wanted = [
            (name, form, num, seed)
            for seed in range(options.num_seeds)
            for num in (32, 100)
            for name in names
            for form in (forms if SETS[name] else [""])
        ]
        done = {tuple(row[part] for part in LABEL) for row in known_rows()}
        left = [label for label in wanted if tuple(map(str, label)) not in done]
        measure(left, *read(options.table, options.columns))
    print_table(known_rows())


def known_rows() -> list[dict[str, str]]:
    if not RESULTS.exists():
        return []
    with RESULTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def measure(
    labels: Sequence[tuple[str, str, int, int]], genomes: list, accuracy: np.ndarray, columns: dict[str, np.ndarray]
) -> None:
    """Appends a row for each label."""
    x = SPACE.encode(genomes)
    with RESULTS.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not file.tell():
            writer.writerow((*LABEL, "tau"))
        for name, form, num, seed in labels:
            extra = [in_form(form, each, columns[each]) for each in SETS[name]]
            features = np.column_stack([x, *extra, np.zeros(len(x))]).astype(np.float32)
            found = tau(genomes, SETS[name], features, accuracy, num, seed)
            writer.writerow((name, form, num, seed, f"{found:.4f}"))
            file.flush()


def print_table(rows: list[dict[str, str]]) -> None:
    """Means over seeds ± their standard errors, and in brackets those of the gains over no features, seed by seed."""
    nums = list(dict.fromkeys(row["num_trials"] for row in rows))
    found = {tuple(row[part] for part in LABEL): float(row["tau"]) for row in rows}
    print("| features beside | " + " | ".join(f"{num} trials" for num in nums) + " |")
    print("|---" * (len(nums) + 1) + "|")
    for name, form in dict.fromkeys((row["features"], row["form"]) for row in rows):
        cells = []
        for num in nums:
            seeds = [label[3] for label in found if label[:3] == (name, form, num)]
            gains = [
                found[name, form, num, seed] - found["none", "", num, seed]
                for seed in seeds
                if name != "none" and ("none", "", num, seed) in found
            ]
            taus = [found[name, form, num, seed] for seed in seeds]
            cells.append(mean_of(taus) + (f" ({mean_of(gains)})" if gains else ""))
        print(f"| {name}{form and ', '}{form} | " + " | ".join(cells) + " |")


def mean_of(values: Sequence[float]) -> str:
    """The mean ± its standard error."""
    if len(values) < 2:
        return "".join(f"{value:.3f}" for value in values)
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.3f}"


def in_form(form: str, name: str, column: np.ndarray) -> np.ndarray:
    """ "evened" is as our own scores are: jacov by its distance to -64, grad_norm by its logarithm."""
    if form != "evened":
        return FORMS[form](column)
    if name == "jacov":
        return -np.log(np.maximum(-column - 64, 1e-3))
    return np.log1p(column) if name == "grad_norm" else column


def read(table: str, columns: str) -> tuple[list, np.ndarray, dict[str, np.ndarray]]:
    """The cells that both files have, their accuracies, and the zero-cost columns; means where there are gaps."""
    with open(table, encoding="utf-8") as file:
        accuracies = {row["architecture"]: float(row["val_accuracy_200"]) for row in csv.DictReader(file)}
    with open(columns, encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["architecture"] in accuracies]
    genomes = [canonical(parse(row["architecture"])) for row in rows]
    found = {name: np.array([float(row[name] or "nan") for row in rows]) for name in SCORES}
    filled = {name: np.where(np.isnan(each), np.nanmean(each), each) for name, each in found.items()}
    return genomes, np.array([accuracies[row["architecture"]] for row in rows]), filled


def tau(
    genomes: list, names: tuple[str, ...], features: np.ndarray, accuracy: np.ndarray, num: int, seed: int
) -> float:
    """Over the cells that were not tried, of `num` that were."""
    tried = np.random.default_rng(seed).permutation(len(genomes))[:num]
    x = scale_of(features, is_by_spread(num))(features)
    first = features.shape[1] - 1 - len(names)
    given = Given(names, dict(zip(genomes, features[:, first:-1], strict=True)))
    learner = Learner(with_features(SPACE, given), recommended_surrogate())
    chosen = tuple(genomes[place] for place in tried)
    history = History(tuple(range(num)), tuple(range(num)), chosen, accuracy[tried][:, None], (None,) * num, (), ())
    state, _ = learner.fit(jax.random.key(seed), x[tried], history)
    mean = np.asarray(learner.surrogate.predict(state, x).mean)
    rest = np.setdiff1d(np.arange(len(genomes)), tried)
    return float(kendalltau(mean[rest], accuracy[rest]).statistic)


if __name__ == "__main__":
    main()
