"""The section of a report on learning curves: metrics of the networks, epoch by epoch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nas_jax.objectives import is_fraction, title_of
from nas_jax.record import score
from nas_jax.report.page import Picture, Section
from nas_jax.report.plots import GREEN, STAGES, finish, new_axes, styled
from nas_jax.report.subject import Subject
from nas_jax.trial import Trial
from nas_jax.units import sentence

TITLE = "Learning curves"
_MAX_CURVES = 150  # lines of search trials in one picture


def section(subject: Subject) -> Section:
    """The metrics of the search; where none has a curve, the first one that has."""
    with_curve = [trial for trial in subject.record.trials if (trial.metrics or {}).get("curve")]
    if not with_curve:
        why = "results were looked up" if subject.record.is_table else "no training has ended"
        return Section("curves", TITLE, f"There are none: {why}.")
    known = _curve(with_curve[0])
    metrics = [metric for metric in subject.objectives.metrics if metric in known] or list(known)[:1]
    pictures = tuple(_picture(subject, with_curve, metric) for metric in metrics)
    return Section("curves", TITLE, pictures=pictures)


def _picture(subject: Subject, trials: Sequence[Trial], metric: str) -> Picture:
    winner = subject.winner
    searched = [trial for trial in trials if trial.stage == "search"]
    spread = _spread(subject, searched)
    later = [trial for trial in trials if trial.stage != "search" and trial != winner]
    drawn = [*spread, *later, *(trial for trial in trials if trial == winner)]
    lines = [("winner" if trial == winner else trial.stage, _curve(trial).get(metric, [])) for trial in drawn]
    figure = learning_curves([(kind, values) for kind, values in lines if values], metric)
    caption = " ".join(_notes(drawn, len(searched) - len(spread)))
    return Picture(figure, f"{sentence(title_of(metric))}, by epoch", caption)


def _notes(drawn: Sequence[Trial], num_hidden: int) -> Iterator[str]:
    if num_hidden:
        yield f"{num_hidden} search trials, evenly spread by rank, are left out."
    if any("seeds" in (trial.metrics or {}) for trial in drawn):
        yield "A network that was trained with several seeds has their mean."


def _curve(trial: Trial) -> dict[str, Sequence[float]]:
    return (trial.metrics or {})["curve"]


def _spread(subject: Subject, trials: Sequence[Trial]) -> list[Trial]:
    """At most so many that a picture of them can be read, from the best to the worst."""
    leading = next(iter(subject.objectives))
    ranked = sorted(trials, key=lambda trial: np.nan_to_num(score(trial, leading), nan=-np.inf))
    if len(ranked) <= _MAX_CURVES:
        return ranked
    return [ranked[place] for place in np.linspace(0, len(ranked) - 1, _MAX_CURVES).round().astype(int)]


@styled
def learning_curves(curves: Sequence[tuple[str, Sequence[float]]], metric: str) -> Figure:
    """A metric of the networks, epoch by epoch.

    Args:
        curves: for each line a stage of a trial, or "winner", and its values; the later ones are on top.
        metric: its name.
    """
    figure, axes = new_axes()
    named: set[str] = set()
    for kind, values in curves:
        name, colour, width = ("winner", GREEN, 2.4) if kind == "winner" else (*STAGES[kind][:2], 1.2)
        style: dict[str, Any] = {"color": colour, "linewidth": width, "alpha": 0.45 if kind == "search" else 1.0}
        epochs = np.arange(1, len(values) + 1)
        marker = "o" if len(values) == 1 else None
        axes.plot(epochs, values, label=None if name in named else name, marker=marker, **style)
        named.add(name)
    axes.set(xlabel="Epoch", ylabel=sentence(title_of(metric)))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    finish(figure, axes, percent="y" if is_fraction(metric) else "")
    return figure
