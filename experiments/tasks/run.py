"""Searches the data of each task with the surrogate that its config names, and at random, with as many trials.

    python experiments/tasks/run.py
    python experiments/tasks/run.py --variant=text:clinc150 --path=FOLDER

Without a variant, the four defaults are searched, which need no data. Only the search runs, and only validation counts.
Both methods begin with the same random trials, which are trained once and count for both, and train with one recipe.
The same command again goes on where it stopped, and one with more trials goes on from there. Writes the runs in the
folder to results.csv beside this file, which keeps the others that it has, and prints a table of all.
"""

import argparse
import csv
import json
import resource
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas_jax.objectives import Objective
from nas_jax.store import read_trials

HERE = Path(__file__).parent
CONFIGS = HERE.parent.parent / "configs"
DEFAULTS = ("segmentation", "detection", "text", "language_model")
METHODS = ("bayesopt", "random_search")
KEY = ("variant", "seed", "method")
FIELDS = ("variant", "seed", "method", "metric", "maximize", "trials", "best", "core_seconds", "genome")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", help="a config and its variant, as text:clinc150; without it, the four defaults")
    parser.add_argument("--path", help="the folder with the variant's data")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs/tasks"))
    arguments = parser.parse_args()
    data = [f"--config.data.path={arguments.path}"] if arguments.path else []
    for variant in [arguments.variant] if arguments.variant else DEFAULTS:
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            workdir = arguments.runs / f"{variant.replace(':', '.')}-{seed}"
            compare(variant, workdir, arguments.trials, [f"--config.seed={seed}", *data])
    folders = [path for method in METHODS for path in arguments.runs.glob(f"*-{method}")]
    record([row_of(folder) for folder in sorted(folders) if spent_in(folder).ended])


class Spent(NamedTuple):
    """What a search has cost so far."""

    seconds: float = 0.0  # of a core
    ended: list[str] | None = None  # the flags with which it came to its end


def compare(variant: str, workdir: Path, num_trials: int, flags: list[str]) -> None:
    """The trials that both methods begin with, and from there on each of the two; nothing that has ended before.

    Args:
        workdir: the beginning of the names of their folders.
    """
    folders = {method: workdir.with_name(f"{workdir.name}-{method}") for method in METHODS}
    random = "--config.strategy=random_search"
    begun = workdir.with_name(f"{workdir.name}-beginning")
    search(variant, begun, [*flags, random, f"--config.search.num_trials={num_initial(variant)}"])
    for method, folder in folders.items():
        if not folder.exists():
            folder.mkdir()
            shutil.copy(begun / "trials.jsonl", folder)
            write_spent(folder, Spent(spent_in(begun).seconds))
        chosen = [random] if method == "random_search" else []
        search(variant, folder, [*flags, *chosen, f"--config.search.num_trials={num_trials}"])


def num_initial(variant: str) -> int:
    """The random trials with which a variant's search begins."""
    name, _, kind = variant.partition(":")
    config = runpy.run_path(str(CONFIGS / f"{name}.py"))["get_config"](*([kind] if kind else []))
    return config.strategy.num_initial


def search(variant: str, workdir: Path, flags: list[str]) -> None:
    """One search; nothing where it has ended before with these flags."""
    spent = spent_in(workdir)
    if spent.ended == flags:
        return
    name, _, kind = variant.partition(":")
    config = f"--config={CONFIGS / name}.py" + (f":{kind}" if kind else "")
    command = [sys.executable, "-m", "nas_jax.main", config, *flags, "--config.stages=search", f"--workdir={workdir}"]
    before, ended = cpu_seconds(), None
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        ended = flags
    finally:
        write_spent(workdir, Spent(round(spent.seconds + cpu_seconds() - before, 1), ended))


def spent_in(workdir: Path) -> Spent:
    path = workdir / "spent.json"
    return Spent(**json.loads(path.read_text())) if path.exists() else Spent()


def write_spent(workdir: Path, spent: Spent) -> None:
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "spent.json").write_text(json.dumps(spent._asdict()))


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
        "core_seconds": spent_in(workdir).seconds,
        "genome": description,
    }


def record(rows: list[dict]) -> None:
    """Writes results.csv, with what it had of other runs, and prints the table of all."""
    path = HERE / "results.csv"
    known = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            known = {tuple(row[field] for field in KEY): row for row in csv.DictReader(file)}
    known |= {tuple(str(row[field]) for field in KEY): row for row in rows}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(known.values())
    with path.open(encoding="utf-8", newline="") as file:
        print_table(list(csv.DictReader(file)))


def print_table(rows: list[dict[str, str]]) -> None:
    print("| search | metric | bayesopt | random search | bayesopt leads by | core minutes, bayesopt and random |")
    print("|---" * 6 + "|")
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        ours, others = ([row for row in own if row["method"] == method] for method in METHODS)
        if not ours or not others:
            continue  # until both have been run
        sign = 1 if own[0]["maximize"] == "True" else -1
        by_random = {row["seed"]: float(row["best"]) for row in others}
        leads = [sign * (float(row["best"]) - by_random[row["seed"]]) for row in ours if row["seed"] in by_random]
        cells = [f"`{variant}`", f"`{own[0]['metric']}`"]
        cells += [mean_of([float(row["best"]) for row in part]) for part in (ours, others)] + [mean_of(leads)]
        minutes = [f"{np.mean([float(row['core_seconds']) for row in part]) / 60:.1f}" for part in (ours, others)]
        print("| " + " | ".join([*cells, " and ".join(minutes)]) + " |")


def mean_of(values: list[float]) -> str:
    """The mean ± its standard error."""
    if len(values) < 2:
        return "".join(f"{value:.4f}" for value in values)
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.4f}"


if __name__ == "__main__":
    main()
