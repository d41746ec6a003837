"""A run's report: `report.html`, one page that loads nothing, written from what the run left in its working directory.

It reads files only, so a run that was killed, that failed or that still goes on gets a report too, which says what is
missing. The end of a run writes it, and so does `python -m nas_jax.report --workdir=runs/x`.

Only two things are computed anew, from the search trials: the surrogate's quality in cross-validation, and the
importance of genes.
"""

from collections import Counter
from pathlib import Path

from nas_jax.parts import Parts
from nas_jax.record import Record
from nas_jax.report import (
    answer,
    budgets,
    cost,
    curves,
    examples,
    failures,
    finalists,
    importance,
    progress,
    settings,
    size,
    surrogate,
    tradeoff,
    trust,
    usage,
)
from nas_jax.report.page import render
from nas_jax.report.subject import Subject, read_subject
from nas_jax.trial import FULL
from nas_jax.units import number

# In the order of the page. Each has a function `section`, which turns a subject into a section, or says that there is
# nothing to say (None).
SECTIONS = (
    answer,
    trust,
    tradeoff,
    finalists,
    examples,
    usage,
    progress,
    budgets,
    importance,
    surrogate,
    curves,
    size,
    cost,
    failures,
    settings,
)


def write_report(workdir: Path, parts: Parts) -> Path:
    """Writes `report.html` into `workdir`, over an earlier one, and returns its path.

    Args:
        workdir: of a run, in whatever state it is.
        parts: what the run was made of.

    Raises:
        UserError: as `read_subject`.
    """
    return write_page(read_subject(workdir, parts))


def write_page(subject: Subject) -> Path:
    """`write_report`, of what has been read."""
    record = subject.record
    sections = [section for each in SECTIONS if (section := each.section(subject)) is not None]
    path = record.workdir / "report.html"
    path.write_text(render(record.workdir.resolve().name, _state(record), record.notes, sections), encoding="utf-8")
    return path


def _state(record: Record) -> str:
    search = Counter(trial.status for trial in record.of("search"))
    num_planned = record.config.get("search", {}).get("num_trials")  # none of a search that another program asks
    planned = "" if num_planned is None else f"of {number(num_planned)} "
    last, last_in_full = (max((trial.id for trial in record.of(*stages)), default=-1) for stages in (["search"], FULL))
    if record.best and last > last_in_full >= 0:
        state = "The search has gone on since the winner was found"
    elif record.best:
        state = "This run has finished"
    elif search["failed"] and search["failed"] == search.total():
        state = "Every trial of this run has failed so far"
    else:
        state = "This run has not finished, or was stopped"
    return (
        f"{state}: {search['finished']} {planned}search trials finished, {search['failed']} failed, "
        f"{search['pending']} were under way."
    )
