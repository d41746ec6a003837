"""The section of a report on whether the winner is better than what costs less, beyond the noise."""

from collections.abc import Iterator, Mapping
from typing import Any

from nas_jax.objectives import Objective, is_fraction
from nas_jax.record import Record, find_best
from nas_jax.report.noise import MANY, Lead, lead_of, noise_of
from nas_jax.report.page import Section, Table
from nas_jax.trial import BASELINES, CONTENDERS, Stage, Trial
from nas_jax.units import UNKNOWN, number, percent

TITLE = "Is it real?"
TEST = "test_accuracy"


def trust(run: Record, objective: Objective, winner: Trial | None) -> Section:
    """The winner beside the baselines, which were trained as it was."""
    if winner is None:
        return Section("real", TITLE, "That cannot be said yet: no finalist has been measured.")
    ours = {**(winner.metrics or {}), **run.best}
    baselines = _baselines(run)
    others = {stage: metrics for stage, metrics in baselines.items() if metrics["trial"] != winner.id}
    if not others:
        return Section("real", TITLE, f"There is nothing to compare the winner with: {_why(run, objective, winner)}.")
    sign = 1 if objective.maximize else -1
    leads = {stage: lead_of(run, objective.metric, ours, metrics, sign=sign) for stage, metrics in others.items()}
    tests = {stage: lead_of(run, TEST, ours, metrics) for stage, metrics in others.items()}
    verdict = f"In {objective.metric} the winner is {_verdicts(leads)}."
    paragraphs = [f"The baselines were {'looked up' if run.is_table else 'trained in full'} as the finalists were."]
    for stage in baselines.keys() - others.keys():
        paragraphs[0] += f" The {BASELINES[stage]} is the winner itself."
    if tested := _verdicts(tests):
        paragraphs.append(f"On the test split, which had no part in any choice, it is {tested}.")
    metrics = [ours, *others.values()]
    if not any(noise_of(run, objective.metric, each).seeds for each in metrics) and not run.is_table:
        paragraphs.append(
            "The noise leaves out the luck of the training seed: finalists.evaluator.num_seeds has it measured."
        )
    if len(run.of(*CONTENDERS)) > 1:
        paragraphs.append(
            f"The winner was chosen by this very {objective.metric} among {len(run.of(*CONTENDERS))} networks, so some "
            "of its lead in it is luck."
        )
    rows = [_row(run, objective, "winner", winner.description, ours, None, None)]
    for stage, theirs in others.items():
        description = next(trial.description for trial in run.trials if trial.id == theirs["trial"])
        rows.append(_row(run, objective, BASELINES[stage], description, theirs, leads[stage], tests[stage]))
    header = ("", "Architecture", objective.metric, "Winner's lead", "Test accuracy", "Lead on test", "Parameters")
    caption = " ".join(_notes(run, objective, metrics))
    table = Table(header, tuple(rows), caption, numeric=header[2:], marked=0)
    return Section("real", TITLE, verdict, paragraphs=tuple(paragraphs), tables=(table,))


def _verdicts(leads: Mapping[Stage, Lead | None]) -> str:
    return "; ".join(lead.verdict(f"the {BASELINES[stage]}") for stage, lead in leads.items() if lead)


def _baselines(run: Record) -> dict[Stage, Mapping[str, Any]]:
    """Metrics of each baseline, by stages in the order of `BASELINES`, with "trial", their id."""
    if run.best:
        known = run.best.get("baselines", {})
        return {stage: known[stage] for stage in BASELINES if stage in known}
    measured = [trial for stage in BASELINES for trial in run.of(stage) if trial.metrics]
    return {trial.stage: {"trial": trial.id, **(trial.metrics or {})} for trial in measured}


def _why(run: Record, objective: Objective, winner: Trial) -> str:
    first = find_best(run.of("search"), objective)
    if first is not None and first.genome == winner.genome:
        return "the winner is the best trial of the search itself"
    return "no baseline was measured as the finalists were"


def _row(
    run: Record,
    objective: Objective,
    name: str,
    description: str,
    metrics: Mapping[str, Any],
    lead: Lead | None,
    test_lead: Lead | None,
) -> tuple[str, ...]:
    def value(metric: str) -> str:
        if metrics.get(metric) is None:
            return UNKNOWN
        units = percent if is_fraction(metric) else number
        error = noise_of(run, metric, metrics).total
        return units(metrics[metric]) + (f" ± {units(error)}" if error else "")

    return (
        name,
        description,
        value(objective.metric),
        _lead_cell(lead, is_fraction(objective.metric)),
        value(TEST),
        _lead_cell(test_lead, True),
        number(metrics.get("num_params")),
    )


def _lead_cell(lead: Lead | None, is_share: bool) -> str:
    if lead is None:
        return ""
    values = abs(lead.difference), lead.noise
    difference, noise = (f"{100 * value:.2f}" if is_share else number(value) for value in values)
    sign = "" if lead.difference == 0 else "+" if lead.difference > 0 else "\N{MINUS SIGN}"
    return f"{sign}{difference} (noise {noise})" if lead.noise else f"{sign}{difference}"


def _notes(run: Record, objective: Objective, metrics: list[Mapping[str, Any]]) -> Iterator[str]:
    noises = [noise_of(run, objective.metric, each) for each in metrics]
    by = ["the choice of examples"] * any(noise.examples for noise in noises)
    by += ["training seeds"] * any(noise.seeds for noise in noises)
    if by:
        yield (
            f"± is one standard error, by {' and '.join(by)}; the noise of a lead is {MANY:.0f} standard errors of the "
            "difference."
        )
    if is_fraction(objective.metric) or any(TEST in each for each in metrics):
        yield "Leads in accuracy are in percentage points."
    if not objective.maximize:
        yield f"A lead in {objective.metric} is by how much less the winner has."
