"""Prints the table of the README from results.csv beside this file, after it has put there what runs there are.

python experiments/search_on_cifar10/report.py --runs=FOLDER --results=FILE    # of another sitting
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from nas_jax.store import read_trials

HERE = Path(__file__).parent
FIELDS = ("method", "seed", "core_minutes", "trials", "genomes", "epochs", "validation", "test", "winner")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/search_on_cifar10"))
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    arguments = parser.parse_args()
    rows = known_rows(arguments.results)
    for path in sorted(arguments.runs.glob("*/best/metrics.json")):
        row = {name: str(value) for name, value in row_of(path.parent.parent).items()}
        rows[row["method"], row["seed"]] = row
    with arguments.results.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
    print_table(list(rows.values()))


def known_rows(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """By method and seed."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {(row["method"], row["seed"]): row for row in csv.DictReader(file)}


def print_table(rows: list[dict[str, str]]) -> None:
    print("| method | seeds | genomes | epochs | validation, % | test, % | better than random search, points |")
    print("|---" * 7 + "|")
    by_random = {row["seed"]: float(row["test"]) for row in rows if row["method"] == "random_search"}
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        cells = [f"{np.mean([float(row[name]) for row in own]):.0f}" for name in ("genomes", "epochs")]
        cells += [mean_of([100 * float(row[name]) for row in own]) for name in ("validation", "test")]
        leads = [100 * (float(row["test"]) - by_random[row["seed"]]) for row in own if row["seed"] in by_random]
        print(f"| {method} | {len(own)} | " + " | ".join([*cells, mean_of(leads)]) + " |")


def row_of(workdir: Path) -> dict:
    method, _, seed = workdir.name.rpartition("-")
    trials = [trial for trial in read_trials(workdir / "trials.jsonl") if trial.stage == "search"]
    ended = [trial for trial in trials if trial.metrics]
    metrics = json.loads((workdir / "best" / "metrics.json").read_text())
    config = json.loads((workdir / "config.json").read_text())
    return {
        "method": method,
        "seed": int(seed),
        "core_minutes": round(json.loads((workdir / "core_seconds.json").read_text()) / 60, 1),
        "trials": len(ended),
        "genomes": len({trial.genome for trial in ended}),
        "epochs": num_epochs(ended, config["recipe"]["num_epochs"]),
        "validation": round(metrics["val_accuracy"], 5),
        "test": round(metrics["test_accuracy"], 5),
        "winner": json.loads((workdir / "best" / "genome.json").read_text())["description"],
    }


def num_epochs(trials: list, full: int) -> int:
    """Of all trainings together; one that goes on counts once."""
    reached: dict = {}
    for trial in trials:
        epochs = trial.budget.epochs if trial.budget else full
        reached[trial.genome] = max(reached.get(trial.genome, 0), epochs)
    return sum(reached.values())


def mean_of(values: list[float]) -> str:
    """The mean ± its standard error."""
    if len(values) < 2:
        return "".join(f"{value:.2f}" for value in values)
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.2f}"


if __name__ == "__main__":
    main()
