"""How right a search's surrogate is about all other genomes once it knows 100, as strategy and finalists ask it.

    python experiments/search_benchmark/predictions.py --nb201 nas_bench_201_cifar10.csv \
        --macro nas-bench-macro_cifar10.json
    python experiments/search_benchmark/predictions.py --report

The strategy asks one fit, the choice of finalists a mixture of at least four; predictions are in units of the score,
noise included. Each measurement is a row of predictions.csv when it ends, and none that is there is made again.
"""

import argparse
import csv
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any

import jax
import numpy as np
from benchmarks import Benchmark, nas_bench_201, nas_bench_macro

from nas_jax.build import build
from nas_jax.strategies.bayesopt import Bayesopt
from nas_jax.strategies.learner import is_by_spread
from nas_jax.strategies.pools import make_pool
from nas_jax.surrogates.base import Posterior, as_posterior
from nas_jax.surrogates.metrics import coverage, crps, kendall_tau
from nas_jax.trial import History, Prediction, Trial

HERE = Path(__file__).parent
NUM_KNOWN = 100
LEVELS = (50, 80, 95)  # percent
LABEL = ("table", "genes", "fits")
METRICS = ("tau", "crps", *(f"coverage_of_{level}" for level in LEVELS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nb201", help="the table of NAS-Bench-201")
    parser.add_argument("--macro", help="the table of NAS-Bench-Macro")
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=HERE / "predictions.csv")
    parser.add_argument("--report", action="store_true", help="print the table, measure nothing")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.nb201:
            run(nas_bench_201(arguments.nb201, Path(folder)), seeds, arguments.results)
        if arguments.macro:
            run(nas_bench_macro(arguments.macro, Path(folder)), seeds, arguments.results)
    if arguments.report:
        print(table(arguments.results))


def run(benchmark: Benchmark, seeds: range, path: Path) -> None:
    for genes, space_section, evaluator_section in (
        ("own space", benchmark.space, benchmark.evaluator),
        ("raw", benchmark.raw_space, benchmark.raw_evaluator),
    ):
        space = build("nas_jax.spaces", space_section)
        evaluator = build("nas_jax.evaluators", evaluator_section, space=space)
        genomes = list(space.genomes())
        trials = (Trial(0, genome, "", "search", seed=0) for genome in genomes)
        scores = np.array([evaluator.measure(trial).metrics["score"] for trial in trials])
        done = {row["seed"] for row in read(path) if (row["table"], row["genes"]) == (benchmark.name, genes)}
        for seed in seeds:
            if str(seed) in done:
                continue
            for fits, posterior, others in predictions(Bayesopt(space), genomes, scores, seed):
                row = dict(zip(LABEL, (benchmark.name, genes, fits), strict=True)) | {"seed": seed}
                add(path, row | measures(posterior, scores[others], np.std(scores)))


def predictions(strategy: Bayesopt, genomes: list, scores: np.ndarray, seed: int) -> Any:
    """For one fit and a mixture: their number, and the posterior at the genomes in the places that come third."""
    rng = np.random.default_rng(seed)
    known = rng.choice(len(genomes), NUM_KNOWN, replace=False)
    is_other = np.ones(len(genomes), bool)
    is_other[known] = False
    places, chosen = tuple(range(NUM_KNOWN)), tuple(genomes[place] for place in known)
    history = History(places, places, chosen, scores[known][:, None], (None,) * NUM_KNOWN, (), ())
    by_spread = is_by_spread(NUM_KNOWN, rng)
    pool = make_pool(strategy.space, rng, history, 0, strategy.max_enumerated, by_spread=by_spread)
    place_of = {genome: place for place, genome in enumerate(genomes)}
    others, key = [place_of[genome] for genome in pool.candidates], jax.random.key(seed)
    learned = strategy.learner.fit(key, pool.known, history)
    moments = strategy.surrogate.predict(learned.state, pool.x, with_noise=True)
    single = [learned.targets.prediction(float(mean), float(std)) for mean, std in zip(*moments, strict=True)]
    yield "1", _posterior(single), others
    yield "4", _posterior(next(strategy.learner.mixtures(key, pool.known, history, pool.x))), others


def _posterior(predicted: list[Prediction]) -> Posterior:
    mean, std = np.array(predicted).T
    return as_posterior(mean, std, np.float64)


def measures(posterior: Posterior, scores: np.ndarray, unit: float) -> dict[str, float]:
    held = {f"coverage_of_{level}": coverage(posterior, scores, level / 100) for level in LEVELS}
    return {"tau": kendall_tau(posterior.mean, scores), "crps": crps(posterior, scores) / unit, **held}


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def add(path: Path, row: dict[str, Any]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, (*LABEL, "seed", *METRICS), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow({name: f"{value:.4f}" if name in METRICS else value for name, value in row.items()})


def table(path: Path) -> str:
    """Means and standard errors over seeds, in Markdown."""
    lines = ["| table | genes | fits | seeds | " + " | ".join(METRICS) + " |", "|---" * (len(LABEL) + 6) + "|"]

    def label(row: dict[str, str]) -> list[str]:
        return [row[name] for name in LABEL]

    for names, group in groupby(sorted(read(path), key=label), key=label):
        values = np.array([[float(row[name]) for name in METRICS] for row in group])
        errors = values.std(axis=0, ddof=1) / len(values) ** 0.5
        cells = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(values.mean(axis=0), errors, strict=True)]
        lines.append("| " + " | ".join([*names, str(len(values)), *cells]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
