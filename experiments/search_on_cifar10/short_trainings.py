"""How well short trainings rank networks: those of the random searches of `run.py`, which were trained in full.

    python experiments/search_on_cifar10/short_trainings.py --data_dir=FOLDER

A short training is the beginning of the full one, as the searches ran it; or it has an end of its own, by a learning
rate that falls to zero over its last fifth (the recipe's schedule "constant"), or by a cosine of its own. Prints
Kendall's tau with the full one for each length, and writes short_trainings.csv beside this file, a row a network; the
same command again goes on where it stopped.
"""

import argparse
import csv
import dataclasses
from pathlib import Path

import numpy as np
from flax import linen as nn
from scipy.stats import kendalltau

from nas_jax.data.tfds import Tfds
from nas_jax.spaces.chain import Chain
from nas_jax.store import read_trials
from nas_jax.tasks.base import Problem, load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.fit import Leg, prepare, train
from nas_jax.train.recipe import Recipe

LENGTHS = (1, 2)
FULL = Recipe(8, batch_size=32, learning_rate=0.05, warmup_epochs=0.25, schedule="constant")
WAYS = ("beginning", "fall", "cosine")
RESULTS = Path(__file__).parent / "short_trainings.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/search_on_cifar10"))
    parser.add_argument("--data_dir")
    arguments = parser.parse_args()
    rows = list(csv.DictReader(RESULTS.open())) if RESULTS.exists() else []
    problem = load_problem(Classification(), Tfds(data_dir=arguments.data_dir, num_train=2048, num_val=2000))
    space = Chain((32, 32, 3), 10, min_feature_layers=2, max_feature_layers=5)
    paths = sorted(arguments.runs.glob("random_search-*/trials.jsonl"))
    trials = [trial for path in paths for trial in read_trials(path) if trial.stage == "search" and trial.metrics]
    known = {row["network"] for row in rows}
    for trial in trials:
        if trial.description in known:
            continue
        network = space.network(trial.genome, np.dtype("float32"))
        full = trial.metrics or {}
        row = {"network": trial.description, "flops": full["flops"], "full": full["val_accuracy"]}
        for length in LENGTHS:
            cosine = dataclasses.replace(FULL, num_epochs=length, schedule="cut")
            row[f"beginning {length}"] = full["curve"]["val_accuracy"][length - 1]
            row[f"fall {length}"] = accuracy(network, problem, FULL, trial.seed, length)
            row[f"cosine {length}"] = accuracy(network, problem, cosine, trial.seed, length)
        rows.append(row)
        with RESULTS.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    print_agreement(rows)


def accuracy(network: nn.Module, problem: Problem, recipe: Recipe, seed: int, num_epochs: int) -> float:
    """Of validation, after so many epochs."""
    [fitted] = train(prepare(network, problem, recipe), [seed], leg=Leg(num_epochs))
    return fitted.metrics["val_accuracy"]


def print_agreement(rows: list[dict]) -> None:
    full = numbers(rows, "full")
    print(f"{len(rows)} networks, whose FLOPs have a tau of {kendalltau(numbers(rows, 'flops'), full)[0]:.2f}")
    print("| |" + "".join(f" {length} of {FULL.num_epochs} epochs |" for length in LENGTHS))
    print("|---" * (1 + len(LENGTHS)) + "|")
    for way in WAYS:
        short = [numbers(rows, f"{way} {length}") for length in LENGTHS]
        cells = [f" {kendalltau(each, full)[0]:.2f} ± {bootstrap_error(each, full):.2f} |" for each in short]
        print(f"| {way} |" + "".join(cells))


def numbers(rows: list[dict], column: str) -> np.ndarray:
    return np.array([float(row[column]) for row in rows])


def bootstrap_error(short: np.ndarray, full: np.ndarray, num_draws: int = 1000) -> float:
    """The standard error of tau, by networks drawn with replacement."""
    draws = np.random.default_rng(0).integers(len(full), size=(num_draws, len(full)))
    return float(np.std([kendalltau(short[drawn], full[drawn])[0] for drawn in draws]))


if __name__ == "__main__":
    main()
