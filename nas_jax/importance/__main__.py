"""What mattered: `python -m nas_jax.importance --workdir=runs/x` prints how important each gene was.

It has the run's learner learn from the trials of the search and asks it; with `--optuna` it asks Optuna as well, and
with `--ablate=N` it measures N neighbours of the winner. Everything is in `importance.csv` of the working directory
too. What the numbers mean is in docs/importance.md.
"""

if __name__ == "__main__":  # first of all: the other imports take seconds
    from nas_jax.signals import end_at_once

    end_at_once()

import csv
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags, logging
from rich.console import Console
from rich.text import Text

from nas_jax.cli import define_path, start
from nas_jax.errors import UserError
from nas_jax.importance.ablation import Ablation, ablate
from nas_jax.importance.measures import Importance, measure_importance
from nas_jax.importance.of_run import study_of
from nas_jax.importance.study import Study, units_of_effects
from nas_jax.importance.tables import COLUMNS, ablation_table, csv_rows, effects_table, importance_table
from nas_jax.objectives import Objective
from nas_jax.parts import Parts
from nas_jax.record import Record, find_best, find_winner, read_record
from nas_jax.run import Run, recorded_parts
from nas_jax.store import TrialStore
from nas_jax.strategies.targets import TARGETS


def main(argv: Sequence[str]) -> None:
    """Prints the tables of the run in `--workdir` and writes `importance.csv` there."""
    logging.set_verbosity(logging.ERROR)
    options = flags.FLAGS
    workdir = Path(options.workdir)
    record = read_record(workdir)
    if options.optuna and importlib.util.find_spec("optuna") is None:
        raise UserError("--optuna: Optuna is not installed; pip install -e '.[benchmarks]', or leave the flag out")
    parts = recorded_parts(workdir, record.config)
    # A pipe has no width to keep to: there, every row stays on one line.
    console = Console(width=None if sys.stdout.isatty() else 10_000)
    importances: dict[str, Importance] = {}
    for objective in parts.objectives:
        study = study_of(parts, record.of("search"), objective, options.targets)
        found = measure_importance(study, num_samples=options.num_samples, with_optuna=options.optuna)
        importances[objective.metric] = found
        if len(parts.objectives) > 1:
            console.print(Text(objective.metric))
        _show(console, study, found, objective)
    ablations = _ablate(console, record, parts, options.ablate) if options.ablate else []
    path = workdir / "importance.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *csv_rows(importances, ablations)])
    print(path)


def _show(console: Console, study: Study, importance: Importance, objective: Objective) -> None:
    console.print(importance_table(importance), effects_table(importance))
    console.print(f"Effects are in {units_of_effects(study.learner.kind_of(study.history), objective)}.")
    console.print(f"R² of held-out trials, which is what all this rests on: {importance.r2:.3f}")


def _ablate(console: Console, record: Record, parts: Parts, num: int) -> list[Ablation]:
    """Ablations of the winner; they are kept in `ablation.jsonl` of the working directory."""
    searched = record.of("search")
    winner = find_winner(record, parts.objectives) or find_best(searched, parts.objectives)
    if winner is None:
        raise UserError(
            f"--ablate: there is no winner whose layers to change: {parts.objectives.why_no_front(searched)}"
        )
    with TrialStore(record.workdir / "ablation.jsonl") as store:
        ablations = ablate(Run(parts, store), searched, winner.genome, num)
    console.print(Text(f"Neighbours of {winner.description}"), ablation_table(ablations, parts.objectives))
    return ablations


if __name__ == "__main__":
    define_path("workdir", None, "The working directory of a run.", required=True)
    flags.DEFINE_integer("ablate", 0, "How many neighbours of the winner to measure as in the search.", lower_bound=0)
    flags.DEFINE_integer("num_samples", 4096, "Points of a sample for Sobol indices that are estimated.", lower_bound=2)
    flags.DEFINE_bool("optuna", False, "Also fANOVA and PED-ANOVA, by Optuna.")
    flags.DEFINE_enum("targets", None, list(TARGETS), "What the surrogate learns; what it did in the run if unset.")
    start(main)
