"""The section of a report on whether the winner is better than what costs less, beyond the noise."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nas_jax.best_file import metrics_of_baseline
from nas_jax.metrics import finite_metric, is_fraction, title_of
from nas_jax.report.lead import Contest, Lead, contests_of, lead_of
from nas_jax.report.noise import noise_of
from nas_jax.report.page import Section, Table
from nas_jax.report.subject import Subject
from nas_jax.trial import BASELINES, CONTENDERS, Stage
from nas_jax.units import UNKNOWN, in_units, number, sentence, units_of

TITLE = "Is it real?"


class Baseline(NamedTuple):
    """What the winner is compared with."""

    name: str
    trial: int  # its id
    metrics: Mapping[str, Any]
    leads: Mapping[Contest, Lead | None]  # of the winner


def section(subject: Subject) -> Section:
    """The winner beside the baselines, which were trained as it was."""
    winner = subject.winner
    if winner is None:
        found = subject.objectives.why_no_front(subject.record.of(*CONTENDERS))
        why = f"of the finalists, {found}" if subject.has_measured_finalists else "no finalist has been measured"
        return Section("real", TITLE, f"That cannot be said yet: {why}.")
    known = _baselines(subject)
    searched, tested = (contests_of(subject, split) for split in ("val", "test"))
    contests = [*searched, *tested]
    others = [
        Baseline(BASELINES[stage], trial, metrics, {each: lead_of(subject, each, trial, metrics) for each in contests})
        for stage, (trial, metrics) in known.items()
        if trial != winner.id
    ]
    if not others:
        return Section("real", TITLE, f"There is nothing to compare the winner with: {_why(subject)}.")
    return Section(
        "real",
        TITLE,
        " ".join(f"In {contest.metric} the winner is {_verdicts(others, contest)}." for contest in searched),
        paragraphs=tuple(_paragraphs(subject, known, others, tested)),
        tables=(_table(subject, others, contests),),
    )


def _verdicts(others: Sequence[Baseline], contest: Contest) -> str:
    pairs = [(other.leads[contest], f"the {other.name}") for other in others]
    return "; ".join(lead.verdict(name) for lead, name in pairs if lead)


def _baselines(subject: Subject) -> dict[Stage, tuple[int, Mapping[str, Any]]]:
    """The trial's id and the metrics of each baseline, by stages in the order of `BASELINES`."""
    record = subject.record
    if record.best:
        known = record.best.get("baselines", {})
        named = {stage: known[stage] for stage in BASELINES if stage in known}
        return {stage: (each["trial"], metrics_of_baseline(each)) for stage, each in named.items()}
    measured = [trial for stage in BASELINES for trial in record.of(stage) if trial.metrics]
    return {trial.stage: (trial.id, trial.metrics or {}) for trial in measured}


def _why(subject: Subject) -> str:
    first, winner = subject.best_of_search, subject.winner
    if first is not None and winner is not None and first.genome == winner.genome:
        return "the winner is the best trial of the search itself"
    return "no baseline was measured as the finalists were"


def _paragraphs(
    subject: Subject, known: Mapping[Stage, tuple[int, Any]], others: Sequence[Baseline], tested: Sequence[Contest]
) -> Iterator[str]:
    record = subject.record
    how = f"The baselines were {'looked up' if record.is_table else 'trained in full'} as the finalists were."
    compared = {other.trial for other in others}
    itself = [BASELINES[stage] for stage, (trial, _) in known.items() if trial not in compared]
    yield " ".join([how, *(f"The {name} is the winner itself." for name in itself)])
    for contest in tested:
        if verdicts := _verdicts(others, contest):
            name = f" in {contest.metric}" if len(tested) > 1 else ""
            yield f"On the test split, which had no part in any choice, it is{name} {verdicts}."
    if not _has_seeds(subject, others) and not record.is_table:
        yield "The noise leaves out the luck of the training seed: finalists.evaluator.num_seeds has it measured."
    num = len(record.of(*CONTENDERS))
    if num > 1:
        metrics = " and ".join(subject.objectives.metrics)
        yield f"The winner was chosen by this very {metrics} among {num} networks, so some of its lead in it is luck."


def _has_seeds(subject: Subject, others: Sequence[Baseline]) -> bool:
    measured = [subject.winner_metrics, *(other.metrics for other in others)]
    return any(name.endswith("_std_error") for metrics in measured for name in metrics)


def _table(subject: Subject, others: Sequence[Baseline], contests: Sequence[Contest]) -> Table:
    descriptions = {trial.id: trial.description for trial in subject.record.trials}

    def row(
        name: str, trial: int | None, metrics: Mapping[str, Any], leads: Mapping[Contest, Lead | None]
    ) -> tuple[str, ...]:
        cells = []
        for contest in contests:
            lead = leads.get(contest)
            cells += [_value(subject, contest.metric, metrics), lead.cell(contest.metric) if lead else ""]
        description = UNKNOWN if trial is None else descriptions.get(trial, UNKNOWN)
        return name, description, *cells, number(finite_metric(metrics, "num_params"))

    winner = subject.winner.id if subject.winner else None
    rows = [row("winner", winner, subject.winner_metrics, {}), *(row(*other) for other in others)]
    metrics = [sentence(title_of(contest.metric)) for contest in contests]
    header = ("", "Architecture", *(title for metric in metrics for title in (metric, "Winner's lead")), "Parameters")
    caption = " ".join(_notes(subject, others))
    return Table(header, tuple(rows), caption, numeric=(*metrics, "Parameters"), marked=0)


def _value(subject: Subject, metric: str, metrics: Mapping[str, Any]) -> str:
    if metrics.get(metric) is None:
        return UNKNOWN
    error = noise_of(subject.record, metric, metrics).total
    return in_units(metrics[metric], metric) + (f" ± {units_of(metric)(error)}" if error else "")


def _notes(subject: Subject, others: Sequence[Baseline]) -> Iterator[str]:
    leads = [(contest, lead) for other in others for contest, lead in other.leads.items() if lead]
    measured = [subject.winner_metrics, *(other.metrics for other in others)]
    noises = [noise_of(subject.record, contest.metric, metrics) for contest, _ in leads for metrics in measured]
    by = ["the choice of examples"] * any(noise.examples for noise in noises)
    by += ["training seeds"] * any(noise.seeds for noise in noises)
    if by:
        yield f"± is one standard error, by {' and '.join(by)}."
    tests = [f"{sentence(title_of(contest.metric))}: {lead.test.test}." for contest, lead in leads if lead.test]
    if tests:
        yield "In brackets are 95 % intervals of the lead, each comparison by itself."
        yield from dict.fromkeys(tests)
    if any(is_fraction(contest.metric) for contest, _ in leads):
        yield "Leads in accuracy are in percentage points."
    for metric in dict.fromkeys(contest.metric for contest, _ in leads if contest.sign < 0):
        yield f"A lead in {metric} is by how much less the winner has."
    if any(lead.in_scores for _, lead in leads):
        yield "Intervals named scores are of the task's score of an example, of which more is better."
