"""Strategies search tables with learning curves: how good is the incumbent at a cost of so many full trainings?

    run="python experiments/curves_benchmark/run.py"
    $run --path imdb_*.csv --curve valid_loss_{} --exclude test_loss_{} --seeds 200
    $run --path my.csv --methods hyperband asha:eta=4,num_brackets=2 --seeds 20 --core 1
    $run --path nb201.csv --space nb201 --curve val_accuracy_{} --maximize --scores zero_cost.csv
    python experiments/curves_benchmark/report.py

A method is a strategy of the library by its name, with settings behind a colon. It goes through
`nas_jax.search.loop.search`, with a store in memory. Every run is appended to results.csv beside this file when it
ends, and no run that is there is measured again; several processes can share the file. Which columns of a table are
genes and which are the curve is not kept: a table that is read in two ways needs a file for each (`--results`).
"""

import argparse
import ast
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import results
from incumbent import Table, regrets
from ml_collections import ConfigDict
from results import Label, Run

from nas_jax.config import complete
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Progress
from nas_jax.listeners import Listeners, Outcome, Round
from nas_jax.parts import Parts, build_parts
from nas_jax.run import Run as SearchRun
from nas_jax.search.loop import search
from nas_jax.store import TrialStore
from nas_jax.trial import Trial

HERE = Path(__file__).parent
METHODS = ("random_search", "successive_halving", "asha", "hyperband")
SCORE_COLUMNS = "synflow,nwot,jacov,grad_norm"
SPACES: dict[str, dict[str, Any]] = {
    "categorical": {"space": {"continuous": True}, "evaluator": {}},
    "nb201": {"space": {"image_shape": (32, 32, 3), "num_outputs": 10}, "evaluator": {"key": "architecture"}},
}


def main() -> None:
    arguments = parse_arguments()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    for path in arguments.path:
        for method in arguments.methods:
            seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
            name = name_of(method, arguments)
            labels = [Label(Path(path).stem, name, seed, arguments.max_cost) for seed in seeds]
            known = {run.label for run in results.read(arguments.results)}
            if left := [label for label in labels if label not in known]:
                parts = parts_of(path, method, arguments)
                table = Table(parts)
                for label in left:
                    results.add(arguments.results, run_one(parts, table, label))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", nargs="+", required=True, help="tables")
    parser.add_argument("--curve", default="val_loss_{}", help="the columns of the curve")
    parser.add_argument("--exclude", default="", help="columns that are no genes, with commas between them")
    parser.add_argument("--maximize", action="store_true", help="higher is better")
    parser.add_argument("--space", choices=SPACES, default="categorical")
    parser.add_argument("--methods", nargs="+", default=METHODS, help="strategies: asha, asha:eta=4,num_brackets=2")
    parser.add_argument("--surrogate", default="", help="of methods with one, in place of the recommended one")
    parser.add_argument("--scores", default="", help="a table of zero-cost scores, which the surrogate sees too")
    parser.add_argument("--score_columns", default=SCORE_COLUMNS, help="its columns")
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--max_cost", type=float, default=50.0, help="of a run, in full trainings")
    parser.add_argument("--core", type=int, help="of the processor, for the process to keep to")
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    return parser.parse_args()


def name_of(method: str, arguments: argparse.Namespace) -> str:
    """By which a method is known in the results, with all that its settings are."""
    name = method
    if arguments.scores:
        name += ", with scores" if arguments.score_columns == SCORE_COLUMNS else f", with {arguments.score_columns}"
    return f"{name}, {arguments.surrogate}" if arguments.surrogate else name


def parts_of(path: str, method: str, arguments: argparse.Namespace) -> Parts:
    """The parts of a search; only their seed differs from run to run."""
    name, _, given = method.partition(":")
    settings = dict(setting.split("=") for setting in given.split(",") if setting)
    sections = SPACES[arguments.space]
    config = ConfigDict(
        {
            "space": {"name": arguments.space, **sections["space"]},
            "evaluator": {"name": "tabular", "path": path, "curve": arguments.curve, **sections["evaluator"]},
            "objective": {"metric": results.metric_of(arguments.curve), "maximize": arguments.maximize},
            "strategy": {"name": name, **{field: value_of(text) for field, text in settings.items()}},
            "search": {"num_trials": None, "max_cost": arguments.max_cost},
        }
    )
    if arguments.space == "categorical":
        config.space.update(path=path, curve=arguments.curve, exclude=arguments.exclude)
    if arguments.scores:
        key = sections["evaluator"].get("key", "")
        config.features = {"name": "table", "path": arguments.scores, "key": key, "columns": arguments.score_columns}
    if arguments.surrogate:
        config.surrogate = {"name": arguments.surrogate}
    return build_parts(complete(config).to_dict(), HERE)


def value_of(text: str) -> Any:
    """A number where it is one, and else the text."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def run_one(parts: Parts, table: Table, label: Label) -> Run:
    """One search."""
    ended = Ended()
    started = time.perf_counter()
    search(SearchRun(parts._replace(seed=label.seed), TrialStore(), Listeners((ended,))))
    seconds = time.perf_counter() - started
    costs = [cost for cost in results.COSTS if cost <= label.max_cost]
    return Run(label, regrets(table, ended.trials, costs), len(ended.trials), seconds)


class Ended:
    """A listener that keeps trials in the order in which they end."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []

    def begin(self, stage: str, num_trials: int | None, ended: Sequence[Trial]) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def trial(self, trial: Trial) -> None:
        self.trials.append(trial)

    def round(self, round: Round) -> None: ...

    def end(self, outcome: Outcome) -> None: ...


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
