"""The section of a report on the progress of the search, beside what random search may expect."""

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from nas_jax.objectives import Objective
from nas_jax.record import is_in_full
from nas_jax.report.page import Picture, Section
from nas_jax.report.plots import (
    BLUE,
    ORANGE,
    STAGES,
    ScoreLabel,
    count_trials,
    finish,
    label_of,
    new_axes,
    styled,
    zoom,
)
from nas_jax.report.random_search import Expectation, describe_reference, expectation_of, random_reference
from nas_jax.report.subject import Subject
from nas_jax.units import describe_score, sentence

TITLE = "Progress"


def section(subject: Subject) -> Section:
    """How the best value of each objective grew, by trial and by hour."""
    if subject.best_of_search is None:
        return Section("progress", TITLE, f"{sentence(subject.objectives.why_no_front(subject.searched))}.")
    verdicts, pictures = [], []
    for objective in subject.objectives:
        verdicts.append(_verdict(subject, objective))
        pictures += _pictures(subject, objective)
    return Section("progress", TITLE, " ".join(verdicts), pictures=tuple(pictures))


def _verdict(subject: Subject, objective: Objective) -> str:
    scores, limits = subject.feasible_scores(objective), subject.objectives.limits
    place = int(np.nanargmax(scores))
    of = f" of {objective.metric}" if len(subject.objectives) > 1 else ""
    kept = f" that keep {limits}" if limits else ""
    return (
        f"The best{of} of {int((~np.isnan(scores)).sum())} scores{kept} is {describe_score(scores[place], objective)}, "
        f"found by trial {subject.searched[place].id}, after {place + 1} of {len(scores)}."
    )


def _pictures(subject: Subject, objective: Objective) -> list[Picture]:
    searched, reference, label = subject.searched, random_reference(subject, objective), label_of(objective)
    scores, num = subject.scores(objective), len(searched)
    random = expectation_of(reference, num) if reference else None
    title = "Scores of the search trials and the best so far, by {}"
    kept = subject.is_feasible
    by_trial = best_so_far(np.arange(1.0, num + 1), scores, label, kept=kept, random=random)
    caption = f"{_note_on_budgets(subject)}{describe_reference(reference, num)}"
    pictures = [Picture(by_trial, title.format("trial"), caption)]
    hours = np.cumsum([sum((trial.seconds or {}).values()) for trial in searched]) / 3600
    if hours[-1] > 0:
        unit, factor = ("Hours", 1) if hours[-1] >= 1 else ("Minutes", 60)
        by_time = best_so_far(hours * factor, scores, label, kept=kept, unit=f"{unit} of trials, summed", random=random)
        note = "Time is what trials took, one after the other: workers side by side need less."
        pictures.append(Picture(by_time, title.format("time"), note))
    return pictures


def _note_on_budgets(subject: Subject) -> str:
    if all(is_in_full(subject.searched)):
        return ""
    return "Only trials with the largest budget have a place here: others were measured after a part of a training. "


@styled
def best_so_far(
    position: Float[np.ndarray, " n"],
    scores: Float[np.ndarray, " n"],
    label: ScoreLabel,
    *,
    kept: Bool[np.ndarray, " n"] | None = None,
    unit: str = "",
    random: Expectation | None = None,
) -> Figure:
    """Each trial's score and the best one up to it, beside what random search may expect.

    Args:
        position: of each trial on the horizontal axis, growing: its number, or hours.
        scores: of the trials, some number; one without a score is NaN and leaves a gap.
        label: of the scores.
        kept: whether each keeps the constraints; only such are the best so far. All do unless it is given.
        unit: of the horizontal axis; trials are counted unless it is given.
        random: of random search, for as many trials.
    """
    figure, axes = new_axes()
    _, colour, marker, size = STAGES["search"]
    best = np.fmax.accumulate(scores if kept is None else np.where(kept, scores, np.nan))
    axes.scatter(position, scores, s=size, c=colour, marker=marker, linewidths=0, label="trial")
    axes.step(position, best, where="post", color=BLUE, linewidth=2, label="best so far")
    heights = [scores]
    if random is not None:
        heights.append(random.best)
        known = np.where(random.is_extrapolated, np.nan, random.best)
        axes.plot(position, known, color=ORANGE, linewidth=1.6, linestyle="--", label="random search")
        if random.is_extrapolated.any():
            beyond = np.where(random.is_extrapolated, random.best, np.nan)
            axes.plot(position, beyond, color=ORANGE, linewidth=1.6, linestyle=":")
    axes.set(xlim=(0, float(position[-1]) * 1.02), xlabel=unit, ylabel=sentence(label.text))
    zoom(axes, np.concatenate(heights))
    if not unit:
        count_trials(axes)
    finish(figure, axes, percent="y" if label.is_fraction else "")
    return figure
