"""The section of a report on learning curves: metrics of the networks, epoch by epoch."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nas_jax.budgets import Budgets
from nas_jax.metrics import curves_of, is_fraction, seeds_in, title_of
from nas_jax.record import in_full, score
from nas_jax.report.page import Picture, Section
from nas_jax.report.plots import GREEN, INK, MUTED, STAGES, finish, new_axes, styled
from nas_jax.report.subject import NO_BUDGETS, Subject
from nas_jax.trial import Trial
from nas_jax.units import sentence

TITLE = "Learning curves"
_MAX_CURVES = 150  # lines of search trials in one picture
_LINES = {  # kind: name in the legend, colour, width
    **{stage: (*look[:2], 1.2) for stage, look in STAGES.items()},
    "stopped": ("stopped", MUTED, 1.0),
    "whole": ("in full", INK, 1.2),
    "winner": ("winner", GREEN, 2.4),
}


def section(subject: Subject) -> Section:
    """The metrics of the search; where none has a curve, the first one that has."""
    with_curve = [trial for trial in last_of_chains(subject.record.trials) if curves_of(trial.metrics)]
    if not with_curve:
        why = "results were looked up" if subject.record.is_table else "no training has ended"
        return Section("curves", TITLE, f"There are none: {why}.")
    known = curves_of(with_curve[0].metrics)
    metrics = [metric for metric in subject.objectives.metrics if metric in known] or list(known)[:1]
    pictures = tuple(_picture(subject, with_curve, metric) for metric in metrics)
    return Section("curves", TITLE, pictures=pictures)


def _picture(subject: Subject, trials: Sequence[Trial], metric: str) -> Picture:
    winner = subject.winner
    searched = [trial for trial in trials if trial.stage == "search"]
    spread = _spread(subject, searched)
    later = [trial for trial in trials if trial.stage != "search" and trial != winner]
    drawn = [*spread, *later, *(trial for trial in trials if trial == winner)]
    stopped = {trial.id for trial in stopped_trials(subject.searched)}
    lines = [
        ("winner" if trial == winner else kind_of(trial, stopped), curves_of(trial.metrics).get(metric, []))
        for trial in drawn
    ]
    figure = learning_curves([(kind, values) for kind, values in lines if values], metric, subject.curve_budgets)
    caption = " ".join(_notes(drawn, len(searched) - len(spread)))
    return Picture(figure, f"{sentence(title_of(metric))}, by epoch", caption)


def _notes(drawn: Sequence[Trial], num_hidden: int) -> Iterator[str]:
    if num_hidden:
        yield f"{num_hidden} search trials, evenly spread by rank, are left out."
    if any(seeds_in(trial.metrics) for trial in drawn):
        yield "A network that was trained with several seeds has their mean."


def last_of_chains(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that no finished one continues: one an architecture, whose curve is that of its whole training."""
    continued = {trial.continues for trial in trials if trial.metrics is not None}
    return [trial for trial in trials if trial.id not in continued]


def stopped_trials(searched: Sequence[Trial]) -> list[Trial]:
    """The finished search trials with less than the largest budget, which none continues."""
    whole = {trial.id for trial in in_full(searched)}
    return [trial for trial in last_of_chains(searched) if trial.id not in whole]


def kind_of(trial: Trial, stopped: Collection[int]) -> str:
    """As `learning_curves` takes it: search trials are set apart by whether they were stopped, where some were."""
    return trial.stage if trial.stage != "search" or not stopped else "stopped" if trial.id in stopped else "whole"


def _spread(subject: Subject, trials: Sequence[Trial]) -> list[Trial]:
    """At most so many that a picture of them can be read, from the best to the worst."""
    leading = next(iter(subject.objectives))
    ranked = sorted(trials, key=lambda trial: np.nan_to_num(score(trial, leading), nan=-np.inf))
    if len(ranked) <= _MAX_CURVES:
        return ranked
    return [ranked[place] for place in np.linspace(0, len(ranked) - 1, _MAX_CURVES).round().astype(int)]


@styled
def learning_curves(
    curves: Sequence[tuple[str, Sequence[float]]], metric: str, budgets: Budgets = NO_BUDGETS
) -> Figure:
    """A metric of the networks, epoch by epoch, or budget by budget.

    Args:
        curves: for each line a stage of a trial, "stopped", "whole" or "winner", and its values; the later ones are on
            top.
        metric: its name.
        budgets: to which the values belong; of longer curves they are epochs.
    """
    figure, axes = new_axes()
    named: set[str] = set()
    is_by_budget = max((len(values) for _, values in curves), default=0) <= len(budgets.each)
    for kind, values in curves:
        name, colour, width = _LINES[kind]
        is_one_of_many = kind in ("search", "stopped")
        style: dict[str, Any] = {"color": colour, "linewidth": width, "alpha": 0.45 if is_one_of_many else 1.0}
        epochs = np.array(budgets.each[: len(values)] if is_by_budget else range(1, len(values) + 1))
        marker = "o" if len(values) == 1 else None
        axes.plot(epochs, values, label=None if name in named else name, marker=marker, **style)
        named.add(name)
    axes.set(
        xlabel="Epoch" if budgets.each[-1] == len(budgets.each) or not is_by_budget else "Budget",
        ylabel=sentence(title_of(metric)),
    )
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    finish(figure, axes, percent="y" if is_fraction(metric) else "")
    return figure
