"""Fronts of NAS-Bench-201: how much of what there is has been found after 25, 50, 100 and 150 cells?

    python experiments/fronts/run.py --path nas_bench_201_cifar10.csv --seeds 20
    python experiments/fronts/run.py --path nas_bench_201_cifar10.csv --cases latency --methods own:bayesopt optuna_tpe
    python experiments/fronts/run.py --report

`own:` and `categorical:` are our strategies through either space; the others are peers, see `peers.py`. Every run is
appended to results.csv beside this file when it ends, and no run that is there is measured again.
"""

import argparse
import csv
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from cases import CASES, MARKS, Case, Cells, config_of, read_cells, write_operations
from ml_collections import ConfigDict
from peers import PEERS

from nas_jax.config import complete
from nas_jax.parts import build_parts
from nas_jax.search.loop import propose, store_pending
from nas_jax.store import TrialStore

HERE = Path(__file__).parent
HEADER = ("case", "method", "seed", *map(str, MARKS), "seconds", "last_proposals")
STRATEGIES = ("bayesopt", "evolution", "local_search", "random_search")
METHODS = (*(f"{space}:{name}" for space in ("own", "categorical") for name in STRATEGIES), *PEERS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", type=Path, help="the table")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--methods", nargs="+", default=["own:bayesopt", "categorical:bayesopt"], choices=METHODS)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    parser.add_argument("--report", action="store_true", help="print a table, measure nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(arguments.results))
        return
    if not arguments.path:
        parser.error("say which table is searched: --path; or --report")
    cells = read_cells(arguments.path)
    with tempfile.TemporaryDirectory() as folder:
        operations = Path(folder) / "operations.csv"
        write_operations(cells, operations)
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            for name in arguments.cases:
                for method in arguments.methods:
                    if (name, method, str(seed)) in done(arguments.results):
                        continue
                    started = time.perf_counter()
                    if method in PEERS:
                        rows, last = PEERS[method](cells, CASES[name], MARKS[-1], seed), 0.0
                    else:
                        rows, last = run_ours(cells, CASES[name], method, seed, arguments.path, operations)
                    seconds = time.perf_counter() - started
                    found = [f"{value:.5f}" for value in cells.curve(CASES[name], rows)]
                    add(arguments.results, (name, method, seed, *found, f"{seconds:.1f}", f"{last:.2f}"))
                    print(name, method, seed, *found, f"{seconds:.0f} s", f"{last:.2f} s", flush=True)


def run_ours(
    cells: Cells, case: Case, method: str, seed: int, table: Path, operations: Path
) -> tuple[list[int], float]:
    """The cells that a search of ours asks for, and the mean seconds of its last ten proposals."""
    space, strategy = method.split(":")
    sections = config_of(case, space, table, operations, cells.limit)
    settings = {"seed": seed, "strategy": {"name": strategy}, "search": {"num_trials": MARKS[-1]}}
    parts = build_parts(complete(ConfigDict({**sections, **settings})).to_dict(), HERE)
    by_name = {name: row for row, name in enumerate(cells.names)}
    by_operations = {each: row for row, each in enumerate(cells.operations)}
    store, seconds = TrialStore(), []
    for _ in range(MARKS[-1]):
        started = time.perf_counter()
        proposals = propose(parts, store.trials("search"), 1)
        seconds.append(time.perf_counter() - started)
        requests = iter(store_pending(parts, store, proposals))
        for trial in parts.search.evaluator.evaluate(requests):
            store.put(trial)
    rows = [
        by_name[trial.description] if space == "own" else by_operations[trial.genome]
        for trial in store.trials("search")
    ]
    return rows, float(np.mean(seconds[-10:]))


def done(path: Path) -> set[tuple[str, str, str]]:
    return {(row["case"], row["method"], row["seed"]) for row in _read(path)}


def add(path: Path, row: tuple) -> None:
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(HEADER)
        writer.writerow(row)


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def report(path: Path) -> str:
    """Means over the seeds, and their standard errors at the last mark, as a table in Markdown."""
    groups = defaultdict(list)
    for row in _read(path):
        groups[row["case"], row["method"]].append([float(row[str(mark)]) for mark in MARKS])
    lines = ["| case | method | seeds | " + " | ".join(map(str, MARKS)) + " | ± |", "|---|---|---|---|---|---|---|---|"]
    for (case, method), values in sorted(groups.items()):
        means = np.nanmean(values, axis=0)
        error = np.nanstd(values, axis=0, ddof=1)[-1] / np.sqrt(len(values)) if len(values) > 1 else np.nan
        shown = " | ".join(f"{mean:.3f}" for mean in means)
        lines.append(f"| {case} | {method} | {len(values)} | {shown} | {error:.3f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
