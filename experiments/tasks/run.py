"""Searches the data of each task with the surrogate that its config names, and at random, with as many trials.

    python experiments/tasks/run.py
    python experiments/tasks/run.py --variant=text:clinc150 --path=FOLDER

Without a variant, the four defaults are searched, which need no data. Only the search runs, and only validation counts.
Both methods begin with the same random genomes and train with one recipe. The same command again goes on where it
stopped. Writes results.csv beside this file, of all runs in the folder, and prints the README's table.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from nas_jax.objectives import Objective
from nas_jax.store import read_trials

HERE = Path(__file__).parent
CONFIGS = HERE.parent.parent / "configs"
DEFAULTS = ("segmentation", "detection", "text", "language_model")
METHODS = ("bayesopt", "random_search")
FIELDS = ("variant", "seed", "method", "metric", "maximize", "trials", "best", "core_seconds", "genome")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", help="a config and its variant, as text:clinc150; without it, the four defaults")
    parser.add_argument("--path", help="the folder with the variant's data")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/tasks"))
    arguments = parser.parse_args()
    data = [f"--config.data.path={arguments.path}"] if arguments.path else []
    for variant in [arguments.variant] if arguments.variant else DEFAULTS:
        for seed in range(arguments.seeds):
            for method in METHODS:
                workdir = arguments.runs / f"{variant.replace(':', '.')}-{seed}-{method}"
                flags = [f"--config.seed={seed}", f"--config.search.num_trials={arguments.trials}", *data]
                search(variant, method, workdir, flags)
    rows = [row_of(path.parent) for path in sorted(arguments.runs.glob("*/core_seconds.json"))]
    with (HERE / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print_table(rows)


def search(variant: str, method: str, workdir: Path, flags: list[str]) -> None:
    """One search; nothing where it has ended before."""
    spent = workdir / "core_seconds.json"
    if spent.exists():
        return
    name, _, kind = variant.partition(":")
    config = f"--config={CONFIGS / name}.py" + (f":{kind}" if kind else "")
    by_method = [] if method == "bayesopt" else [f"--config.strategy={method}"]
    command = [sys.executable, "-m", "nas_jax.main", config, *by_method, *flags]
    before = cpu_seconds()
    subprocess.run([*command, "--config.stages=search", f"--workdir={workdir}"], stdout=subprocess.DEVNULL, check=True)
    spent.write_text(json.dumps(round(cpu_seconds() - before, 1)))


def cpu_seconds() -> float:
    """Of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def row_of(workdir: Path) -> dict:
    variant, seed, method = workdir.name.split("-")
    config = json.loads((workdir / "config.json").read_text())
    objective = Objective(**config["objective"])
    valued = [(objective.finite_value(trial), trial) for trial in read_trials(workdir / "trials.jsonl")]
    known = [(value, trial.description) for value, trial in valued if value is not None]
    best, description = max(known)
    return {
        "variant": variant.replace(".", ":"),
        "seed": int(seed),
        "method": method,
        "metric": objective.metric,
        "maximize": objective.maximize,
        "trials": len(known),
        "best": round(objective.sign * best, 5),
        "core_seconds": json.loads((workdir / "core_seconds.json").read_text()),
        "genome": description,
    }


def print_table(rows: list[dict]) -> None:
    print("| search | metric | bayesopt | random search | bayesopt leads by | core minutes, bayesopt and random |")
    print("|---" * 6 + "|")
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        ours, others = ([row for row in own if row["method"] == method] for method in METHODS)
        if not ours or not others:
            continue  # until both have been run
        sign = 1 if own[0]["maximize"] else -1
        by_random = {row["seed"]: row["best"] for row in others}
        leads = [sign * (row["best"] - by_random[row["seed"]]) for row in ours if row["seed"] in by_random]
        minutes = " and ".join(f"{np.mean([row['core_seconds'] for row in part]) / 60:.1f}" for part in (ours, others))
        cells = [mean_of([row["best"] for row in part]) for part in (ours, others)]
        print(f"| `{variant}` | `{own[0]['metric']}` | {cells[0]} | {cells[1]} | {mean_of(leads)} | {minutes} |")


def mean_of(values: list[float]) -> str:
    """The mean ± its standard error."""
    if len(values) < 2:
        return "".join(f"{value:.4f}" for value in values)
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.4f}"


if __name__ == "__main__":
    main()
