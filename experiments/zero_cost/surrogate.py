"""What zero-cost columns bring to the surrogate: Kendall's tau over all cells of NAS-Bench-201 after 32 and 100 trials.

    python experiments/zero_cost/surrogate.py --table=nas_bench_201_cifar10.csv \
        --columns=nas_bench_201_zero_cost_cifar10.csv

The surrogate is the one that searches have, its targets ranks, its space our own of the benchmark. Columns are given as
they are, as logarithms (the sign kept), or as ranks in the table; each row is written as soon as it is known.
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


@dataclass(frozen=True)
class Given:
    """Features that are known of all genomes."""

    names: tuple[str, ...]
    rows: Mapping[Genome, np.ndarray] = field(compare=False, repr=False)
    limit: None = None

    def of(self, genomes: Sequence[Genome]) -> np.ndarray:
        return np.array([self.rows[genome] for genome in genomes]).reshape(len(genomes), len(self.names))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", required=True)
    parser.add_argument("--columns", required=True)
    parser.add_argument("--num_seeds", type=int, default=10)
    parser.add_argument("--forms", default=",".join((*FORMS, "evened")))
    parser.add_argument("--sets", default=",".join(SETS))
    options = parser.parse_args()
    genomes, accuracy, columns = read(options.table, options.columns)
    x = SPACE.encode(genomes)
    with RESULTS.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not file.tell():
            writer.writerow(("features", "form", "num_trials", "seed", "tau"))
        for seed in range(options.num_seeds):
            for num in (32, 100):
                for name in options.sets.split(","):
                    for form in options.forms.split(",") if SETS[name] else ("",):
                        extra = [in_form(form, each, columns[each]) for each in SETS[name]]
                        features = np.column_stack([x, *extra, np.zeros(len(x))]).astype(np.float32)
                        writer.writerow(
                            (name, form, num, seed, f"{tau(genomes, SETS[name], features, accuracy, num, seed):.4f}")
                        )
                        file.flush()


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
