"""A run's report: `report.html`, one page that loads nothing, written from what the run left in its working directory.

It reads files only, so a run that was killed, that failed or that still goes on gets a report too, which says what is
missing. The end of a run writes it, and so does `python -m nas_jax.analysis.report --workdir=runs/x`.

Only two things are computed anew, from the search trials: the surrogate's quality in cross-validation, and the
importance of genes.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from absl import flags, logging

from nas_jax.analysis.compare import Run, find_winner, number, read_run
from nas_jax.analysis.page import render
from nas_jax.analysis.report_answer import answer, finalists
from nas_jax.analysis.report_importance import importance_section
from nas_jax.analysis.report_records import cost, failures, settings, usage
from nas_jax.analysis.report_search import learning_curves, progress, sizes
from nas_jax.analysis.report_surrogate import Encoder, surrogate_section
from nas_jax.analysis.report_trust import trust
from nas_jax.analysis.rounds import read_rounds
from nas_jax.cli import start
from nas_jax.objective import Objective
from nas_jax.parts import build_parts
from nas_jax.surrogates.base import Surrogate


def write_report(workdir: Path, space: Encoder, surrogate: Surrogate, objective: Objective) -> Path:
    """Writes `report.html` into `workdir`, over an earlier one, and returns its path.

    Args:
        workdir: of a run, in whatever state it is.
        space: the one that was searched.
        surrogate: settings to fit for the sections on its quality and on what mattered.
        objective: what the search maximised.

    Raises:
        UserError: no run was started in `workdir`, or a file of it is damaged.
    """
    run = read_run(workdir)
    winner = find_winner(run, objective)
    sections = (
        answer(run, objective, space, winner),
        trust(run, objective, winner),
        finalists(run, objective, winner),
        usage(run),
        progress(run, objective),
        importance_section(run, objective, space, surrogate),
        surrogate_section(run, objective, space, surrogate),
        learning_curves(run, objective, winner),
        sizes(run, objective, winner),
        cost(run, read_rounds(workdir / "diagnostics.jsonl")),
        failures(run, objective),
        settings(run),
    )
    path = workdir / "report.html"
    path.write_text(render(workdir.resolve().name, _state(run), sections), encoding="utf-8")
    return path


def _state(run: Run) -> str:
    search = Counter(trial.status for trial in run.of("search"))
    num_planned = number(run.config.get("search", {}).get("num_trials"))
    if run.best:
        state = "This run has finished"
    elif search["failed"] and search["failed"] == search.total():
        state = "Every trial of this run has failed so far"
    else:
        state = "This run has not finished, or was stopped"
    return (
        f"{state}: {search['finished']} of {num_planned} search trials finished, {search['failed']} failed, "
        f"{search['pending']} were under way."
    )


def main(argv: Sequence[str]) -> None:
    """Writes the report of the run in `--workdir` anew; its config says what parts it had."""
    logging.set_verbosity(logging.ERROR)  # libraries have nothing to say here
    workdir = Path(flags.FLAGS.workdir)
    parts = build_parts(read_run(workdir).config, checkpoint_dir=workdir / "finalists")
    print(write_report(workdir, parts.space, parts.surrogate, parts.objective))


if __name__ == "__main__":
    # Not at the top: main, which imports this module, has a flag of this name as well.
    flags.DEFINE_string("workdir", None, "The working directory of a run.", required=True)
    start(main)
