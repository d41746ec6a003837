"""Strategies of this library and of others search tables of what is known: how good is the best after n queries?

    python experiments/search_benchmark/run.py --table nb201 --path nas_bench_201_cifar10.csv --seeds 20
    python experiments/search_benchmark/run.py --table macro --path nas-bench-macro_cifar10.json --methods 'surrogate:*'
    python experiments/search_benchmark/run.py --table table --path my.csv --target accuracy --methods bayesopt
    python experiments/search_benchmark/run.py --report

Every run is appended to results.csv beside this file when it ends, and no run that is there is measured again; several
processes can share the file. Our methods go through `nas_jax.search.loop.search`. With several workers, simulated
trials take as long as their networks have FLOPs, those of a table of one's own as long as its column `--seconds` says.
"""

import argparse
import dataclasses
import fnmatch
import importlib.util
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import report
import results
from benchmarks import Benchmark, Grid, any_table, grid_of, nas_bench_201, nas_bench_macro, scores_of
from methods import OURS, STRATEGIES
from ml_collections import ConfigDict
from peers import BATCH_SIZES, MODULES, PEERS
from results import Label, Run, make_run

from nas_jax.config import complete
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Progress
from nas_jax.listeners import Listeners, Outcome, Round
from nas_jax.parts import build_parts
from nas_jax.run import Run as SearchRun
from nas_jax.search.loop import search
from nas_jax.store import TrialStore
from nas_jax.trial import Trial

HERE = Path(__file__).parent


def main() -> None:
    arguments = parse_arguments()
    if arguments.report:
        runs = results.read(arguments.results)
        print(report.tables(runs))
        report.plot(runs, arguments.results.parent)
        return
    with tempfile.TemporaryDirectory() as folder:
        benchmark = benchmark_of(arguments, Path(folder))
        names = names_of(arguments.methods)
        grid = grid_of(benchmark) if any(name in PEERS for name in names) else None
        optimum = max(scores_of(benchmark).values())
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            for name in names:
                batch_size = BATCH_SIZES.get(name, arguments.batch_size)
                label = Label(benchmark.name, name, batch_size, arguments.num_workers, seed, arguments.budget)
                if label in {run.label for run in results.read(arguments.results)}:
                    continue
                run = run_ours(benchmark, optimum, label) if grid is None or name in OURS else run_peer(grid, label)
                results.add(arguments.results, run)
                print(*label, f"{run.best[-1]:.3f}", run.optimum_at, f"{run.seconds:.1f} s", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=("nb201", "macro", "table"))
    parser.add_argument("--path", default="", help="its CSV or JSON file")
    parser.add_argument("--score", default="", help="of nb201 and macro: another column to maximise than the usual one")
    parser.add_argument("--target", default="accuracy", help="of a table of one's own: the column to maximise")
    parser.add_argument("--exclude", default="", help="of a table of one's own: columns that are no genes")
    parser.add_argument("--seconds", default="", help="of a table of one's own: the column of a trial's seconds")
    parser.add_argument("--methods", nargs="+", default=[*STRATEGIES], help="names, or patterns such as 'surrogate:*'")
    parser.add_argument("--seeds", type=int, default=10, help="how many")
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=150, help="queries of a run")
    parser.add_argument("--batch_size", type=int, default=1, help="genomes of a proposal, of our methods")
    parser.add_argument("--num_workers", type=int, default=1, help="simulated trials that run at the same time")
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    parser.add_argument("--report", action="store_true", help="print tables, draw figures, measure nothing")
    arguments = parser.parse_args()
    if not (arguments.report or arguments.table):
        parser.error("say which table is searched: --table, with its --path; or --report")
    return arguments


def benchmark_of(arguments: argparse.Namespace, folder: Path) -> Benchmark:
    if arguments.table == "table":
        return any_table(arguments.path, arguments.target, arguments.exclude, arguments.seconds)
    return {"nb201": nas_bench_201, "macro": nas_bench_macro}[arguments.table](arguments.path, folder, arguments.score)


def names_of(patterns: list[str]) -> list[str]:
    """The methods that are asked for, in that order."""
    names: dict[str, None] = {}
    for pattern in patterns:
        found = fnmatch.filter([*OURS, *PEERS], pattern)
        if not found:
            raise UserError(f"--methods: there is no {pattern!r}; choose from {', '.join([*OURS, *PEERS])}")
        names.update(dict.fromkeys(found))
    for name in names:
        if name in MODULES and importlib.util.find_spec(MODULES[name]) is None:
            raise UserError(f'--methods: {name} needs {MODULES[name]}: pip install -e ".[benchmarks]"')
    return list(names)


def run_ours(benchmark: Benchmark, optimum: float, label: Label) -> Run:
    """One search of this library."""
    run = run_of(benchmark, label)
    (objective,) = run.parts.objectives
    clock = Clock()
    started = time.perf_counter()
    search(dataclasses.replace(run, listeners=Listeners((clock,))))
    seconds = time.perf_counter() - started
    scores = [objective.value(trial.metrics or {}) for trial in clock.trials]
    return make_run(label, scores, optimum, seconds, clock.proposal_seconds)


def run_of(benchmark: Benchmark, label: Label) -> SearchRun:
    """The search that a label stands for."""
    changes = OURS[label.method]
    is_raw = changes.get("is_raw", False)
    space = benchmark.raw_space if is_raw else {**benchmark.space, **changes.get("space", {})}
    evaluator = {**(benchmark.raw_evaluator if is_raw else benchmark.evaluator), "num_workers": label.num_workers}
    sections: dict[str, Any] = {name: changes[name] for name in ("strategy", "surrogate", "targets") if name in changes}
    given: dict[str, Any] = {
        "seed": label.seed,
        "space": space,
        "evaluator": evaluator,
        "objective": {"metric": "score"},
        "search": {"num_trials": label.budget, "batch_size": label.batch_size},
        **sections,
    }
    return SearchRun(build_parts(complete(ConfigDict(given)).to_dict(), HERE), TrialStore())


class Clock:
    """A listener that keeps trials in the order in which they end, and how long proposals took."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.proposal_seconds = 0.0

    def begin(self, stage: str, num_trials: int | None, ended: Sequence[Trial]) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def trial(self, trial: Trial) -> None:
        self.trials.append(trial)

    def round(self, round: Round) -> None:
        self.proposal_seconds += round.seconds

    def end(self, outcome: Outcome) -> None: ...


def run_peer(grid: Grid, label: Label) -> Run:
    """One search of another library; all its time but the look into an array goes to proposals."""
    if label.num_workers > 1:
        raise UserError(f"{label.method} has one worker here; leave out --num_workers, or the method")
    started = time.perf_counter()
    scores = PEERS[label.method](grid, label.budget, label.seed)
    return make_run(label, scores, grid.scores.max(), time.perf_counter() - started)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
