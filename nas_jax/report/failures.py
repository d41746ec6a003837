"""The section of a report on failed trials, by kind and reason, and on those that needed more than one attempt."""

import re
from collections.abc import Sequence

from nas_jax.report.page import Section, Table
from nas_jax.report.subject import Subject
from nas_jax.trial import Trial

TITLE = "Failures"
_MAX_REASONS = 30


def section(subject: Subject) -> Section:
    """A row a reason, the most frequent one first."""
    trials, objectives = subject.record.trials, subject.objectives
    failed = [
        trial
        for trial in trials
        if trial.status == "failed"
        or (trial.metrics is not None and objectives.values(trial) is None and not objectives.is_left_out(trial))
    ]
    verdict = f"{len(failed)} of {len(trials)} trials failed." if failed else "No trial failed."
    tables = (_table([_reason(subject, trial) for trial in failed]),) if failed else ()
    return Section("failures", TITLE, verdict, paragraphs=_retried(trials), tables=tables)


def _reason(subject: Subject, trial: Trial) -> tuple[str, str]:
    """The kind of a failure, and what was said of it."""
    if trial.error:
        return trial.failure or "error", " ".join(trial.error.split())[:300]
    unknown = [each.metric for each in subject.objectives if each.finite_value(trial) is None]
    return trial.failure or "non_finite", f"{' and '.join(unknown)} is not finite"


def _retried(trials: Sequence[Trial]) -> tuple[str, ...]:
    retried = [trial for trial in trials if trial.num_attempts > 1]
    if not retried:
        return ()
    num_finished = sum(trial.status == "finished" for trial in retried)
    return (
        f"{len(retried)} trials were begun more than once, since a worker or its machine was lost; {num_finished} of "
        "them finished.",
    )


def _table(reasons: Sequence[tuple[str, str]]) -> Table:
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for kind, text in reasons:
        groups.setdefault((kind, re.sub(r"\d+", "0", text)), []).append((kind, text))
    ordered = sorted(groups.values(), key=len, reverse=True)
    rows = tuple((str(len(alike)), *alike[0]) for alike in ordered[:_MAX_REASONS])
    caption = "Reasons that differ in numbers only are counted together, and the first one is shown."
    if len(ordered) > _MAX_REASONS:
        caption += f" {len(ordered) - _MAX_REASONS} rarer reasons are left out."
    return Table(("Trials", "Kind", "Reason"), rows, caption, numeric=("Trials",))
