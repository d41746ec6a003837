"""The section of a report on what the run cost: seconds of trials by stage and part, and of the strategy."""

from nas_jax.record import total_seconds
from nas_jax.report.page import Section, Table
from nas_jax.report.plots import STAGES
from nas_jax.report.subject import Subject

TITLE = "Cost"


def section(subject: Subject) -> Section:
    """A row a stage."""
    record, rounds = subject.record, subject.rounds
    if not record.trials:
        return Section("cost", TITLE, "No trial has begun.")
    by_stage = [(stage, record.of(stage)) for stage in STAGES if record.of(stage)]
    rows = tuple(
        (stage, str(len(trials)), *(f"{total_seconds(trials, part):,.1f}" for part in ("compile", "train", None)))
        for stage, trials in (*by_stage, ("all", record.trials))
    )
    header = ("Stage", "Trials", "Compiling (s)", "Training (s)", "All (s)")
    caption = (
        "Summed over trials; workers that run side by side take less time. A trial that failed says nothing of its "
        "time. Energy was not measured."
    )
    total, planning = total_seconds(record.trials), sum((each.seconds for each in rounds), 0.0)
    text = f"Between trials the search thought for {_duration(planning)}, fitting and asking its surrogate included."
    return Section(
        "cost",
        TITLE,
        f"Trials took {_duration(total)} of a worker's time, all together." if total else "",
        paragraphs=(text,) if rounds else (),
        tables=(Table(header, rows, caption, numeric=header[1:]),),
    )


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:,.1f} hours"
