"""The section of a report on size: values over numbers of parameters."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from nas_jax.metrics import finite_metric
from nas_jax.objectives import Objective
from nas_jax.record import in_full, score
from nas_jax.report.page import Picture, Section
from nas_jax.report.plots import INK, STAGES, ScoreLabel, finish, label_of, new_axes, styled, zoom
from nas_jax.report.subject import Subject
from nas_jax.units import sentence

TITLE = "Size"


def section(subject: Subject) -> Section:
    """A picture of each objective."""
    found = [_picture(subject, objective) for objective in subject.objectives]
    pictures = tuple(picture for picture in found if picture)
    verdict = "" if pictures else "The number of parameters is not known of any trial."
    return Section("size", TITLE, verdict, pictures=pictures)


def _picture(subject: Subject, objective: Objective) -> Picture | None:
    compared = [*in_full(subject.searched), *(each for each in subject.record.trials if each.stage != "search")]
    trials = [trial for trial in compared if objective.finite_value(trial) is not None]
    sizes = {trial.id: float(finite_metric(trial.metrics, "num_params") or 0) for trial in trials}
    shown = [trial for trial in trials if sizes[trial.id] > 0]
    if not shown:
        return None
    figure = scores_over_parameters(
        np.array([sizes[trial.id] for trial in shown]),
        np.array([score(trial, objective) for trial in shown]),
        [trial.stage for trial in shown],
        label_of(objective),
        winner=shown.index(subject.winner) if subject.winner in shown else None,
    )
    is_mixed = subject.record.of("final") and not subject.record.is_table
    caption = "Search trials had the short training, all others the full one." if is_mixed else ""
    return Picture(figure, "Scores over the number of parameters", caption)


@styled
def scores_over_parameters(
    params: Float[np.ndarray, " n"],
    scores: Float[np.ndarray, " n"],
    stages: Sequence[str],
    label: ScoreLabel,
    *,
    winner: int | None = None,
) -> Figure:
    """Scores over the sizes of the networks, on a logarithmic axis.

    Args:
        params: numbers of trainable parameters, positive; at least one.
        scores: of the same trials.
        stages: a key of `STAGES` for each trial.
        label: of the scores.
        winner: position of the trial to put a ring around.
    """
    figure, axes = new_axes()
    for stage, (name, colour, marker, size) in STAGES.items():
        at = [position for position, each in enumerate(stages) if each == stage]
        if at:
            axes.scatter(params[at], scores[at], s=size, c=colour, marker=marker, linewidths=0, label=name)
    if winner is not None:
        axes.scatter(params[winner], scores[winner], s=150, facecolors="none", edgecolors=INK, label="winner")
    axes.set(xlabel="Parameters", ylabel=sentence(label.text))
    _scale_by_decades(axes, float(params.min()), float(params.max()))
    zoom(axes, scores)
    finish(figure, axes, percent="y" if label.is_fraction else "")
    return figure


def _scale_by_decades(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis with ticks such as 200 k, wide enough to hold some of them whatever the values."""
    is_wide = high / low > 1e3
    margin = 1.2 if high / low > 4 else 2.0
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if is_wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
