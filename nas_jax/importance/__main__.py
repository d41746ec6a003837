"""What mattered: `python -m nas_jax.importance --workdir=runs/x` prints how important each gene was.

It fits the run's surrogate to the trials of the search and asks it; with `--optuna` it asks Optuna as well, and with
`--ablate=N` it measures N neighbours of the winner. Everything is in `importance.csv` of the working directory too.
What the numbers mean is in docs/importance.md.
"""

import csv
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags, logging
from rich.console import Console
from rich.text import Text

from nas_jax.cli import start
from nas_jax.errors import UserError
from nas_jax.importance.ablation import Ablation
from nas_jax.importance.of_run import ablate_run, importance_of_run
from nas_jax.importance.tables import COLUMNS, ablation_table, csv_rows, effects_table, importance_table
from nas_jax.parts import build_parts
from nas_jax.record import find_best, find_winner, read_record
from nas_jax.strategies.targets import TARGETS


def main(argv: Sequence[str]) -> None:
    """Prints the tables of the run in `--workdir` and writes `importance.csv` there."""
    logging.set_verbosity(logging.ERROR)
    options = flags.FLAGS
    workdir = Path(options.workdir)
    run = read_record(workdir)
    if options.optuna and importlib.util.find_spec("optuna") is None:
        raise UserError("--optuna: Optuna is not installed; pip install -e '.[benchmarks]', or leave the flag out")
    parts = build_parts(run.config, checkpoint_dir=workdir / "finalists")
    searched, seed = run.of("search"), run.config["seed"]
    importance = importance_of_run(
        parts, searched, seed=seed, targets=options.targets, num_samples=options.num_samples, with_optuna=options.optuna
    )
    # A pipe has no width to keep to: there, every row stays on one line.
    console = Console(width=None if sys.stdout.isatty() else 10_000)
    console.print(importance_table(importance), effects_table(importance))
    by_rank = (options.targets or parts.final_settings.targets) == "ranks"
    console.print(f"Effects are in {'deviations of normal scores (ranks)' if by_rank else 'units of the score'}.")
    console.print(f"R² of held-out trials, which is what all this rests on: {importance.r2:.3f}")
    ablations: list[Ablation] = []
    if options.ablate:
        winner = find_winner(run, parts.objective) or find_best(searched, parts.objective)
        assert winner is not None  # ten trials have a score
        ablations = ablate_run(parts, workdir, searched, winner, options.ablate, seed)
        console.print(Text(f"Neighbours of {winner.description}"), ablation_table(ablations, parts.objective))
    path = workdir / "importance.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *csv_rows(importance, ablations)])
    print(path)


if __name__ == "__main__":
    flags.DEFINE_string("workdir", None, "The working directory of a run.", required=True)
    flags.DEFINE_integer("ablate", 0, "How many neighbours of the winner to measure as in the search.", lower_bound=0)
    flags.DEFINE_integer("num_samples", 4096, "Points of a sample for Sobol indices that are estimated.", lower_bound=2)
    flags.DEFINE_bool("optuna", False, "Also fANOVA and PED-ANOVA, by Optuna.")
    flags.DEFINE_enum(
        "targets", None, list(TARGETS), "What the surrogate learns; that of the run's finalists if unset."
    )
    start(main)
