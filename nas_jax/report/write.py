"""A run's report: `report.html`, one page that loads nothing, written from what the run left in its working directory.

It reads files only, so a run that was killed, that failed or that still goes on gets a report too, which says what is
missing. The end of a run writes it, and so does `python -m nas_jax.report --workdir=runs/x`.

Only two things are computed anew, from the search trials: the surrogate's quality in cross-validation, and the
importance of genes.
"""

from collections import Counter
from pathlib import Path

from nas_jax.objectives import Objective
from nas_jax.record import Record, find_winner, read_record
from nas_jax.report.answer import answer, finalists
from nas_jax.report.importance import importance_section
from nas_jax.report.page import render
from nas_jax.report.records import cost, failures, settings, usage
from nas_jax.report.search import learning_curves, progress, sizes
from nas_jax.report.surrogate import Encoder, surrogate_section
from nas_jax.report.trust import trust
from nas_jax.search.rounds import read_rounds
from nas_jax.surrogates.base import Surrogate
from nas_jax.units import number


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
    run = read_record(workdir)
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


def _state(run: Record) -> str:
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
