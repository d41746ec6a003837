"""Runs side by side: `python -m nas_jax.compare runs/a runs/b` prints a table of them.

Where runs differ in their seeds alone, a second table has means and rank tests; `--csv=` and `--plot=` write files.
"""

if __name__ == "__main__":  # first of all: the other imports take seconds
    from nas_jax.signals import end_at_once

    end_at_once()

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from rich.console import Console

from nas_jax.cli import define_path, expand, start
from nas_jax.compare.fronts import NOTE as FRONTS_NOTE
from nas_jax.compare.fronts import compare_fronts
from nas_jax.compare.results import differing_fields, results_of
from nas_jax.compare.sweep import group, write_csv
from nas_jax.compare.tables import NO_SETTINGS, NOTE, compare, compare_settings, left_out
from nas_jax.errors import UserError
from nas_jax.record import read_record


def main(argv: Sequence[str], csv: str | None = None, plot: str | None = None) -> None:
    """Prints the tables of the working directories that follow the command's name in `argv`.

    Args:
        csv: file for one row a run.
        plot: image file for the best value by trial, one line a setting.

    Raises:
        UserError: there are none, or no run was started in one of them.
    """
    if not argv[1:]:
        raise UserError("which runs? Give their working directories, for example: runs/*")
    paths = [expand(workdir) for workdir in argv[1:]]
    workdirs = {path.resolve(): path for path in paths}  # one that is named twice is one run
    records = [read_record(workdir) for workdir in workdirs.values()]
    # A pipe has no width to keep to: there, every row stays on one line.
    console = Console(width=None if sys.stdout.isatty() else 10_000)
    console.print(compare(records))
    names = [name for name in differing_fields(records) if name not in NO_SETTINGS]
    results = results_of(records, names)
    is_comparable = len({record.objectives for record in records}) == 1
    objectives = records[0].objectives
    groups = group(results)
    has_several = len({result.setting for result in results}) < len(results)
    if not is_comparable:
        console.print("The runs have different objectives, so there are no means over them.", highlight=False)
    elif has_several:
        if groups:
            console.print(compare_settings(results, names, objectives))
        notes = [*([NOTE] if groups else []), *left_out(results)]
        console.print(*notes, sep="\n", markup=False, highlight=False)
    if is_comparable and (fronts := compare_fronts(records, names)) is not None:
        console.print(fronts)
        console.print(FRONTS_NOTE, markup=False, highlight=False)
    if csv is not None:
        write_csv(Path(csv), names, results)
    if plot is not None:
        if not is_comparable:  # of runs with other objectives, those with one objective are drawn
            kept = [record for record in records if len(record.objectives) == 1]
            if len({record.objectives for record in kept}) > 1:
                raise UserError("--plot: the runs have different objectives; name runs with the same ones")
            objectives = (kept or records)[0].objectives
            groups = group(results_of(kept, names))
        if not groups:
            raise UserError(
                "--plot: no search with the objectives of the others is complete and has a feasible trial of the full "
                "budget, so there is nothing to draw"
            )
        from nas_jax.compare.plot import save_best_so_far  # matplotlib takes a second

        save_best_so_far(Path(plot), groups, names, objectives)


if __name__ == "__main__":
    define_path("csv", None, "Where to write the numbers of all runs, one row a run.")
    define_path("plot", None, "Where to draw the best value by trial, with standard errors: a .png, .svg or .pdf.")
    start(lambda argv: main(argv, flags.FLAGS.csv, flags.FLAGS.plot))
