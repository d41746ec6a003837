"""The sections of a report about the search: its progress, learning curves, sizes of networks."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nas_jax.objectives import Objective, is_fraction
from nas_jax.record import Record, find_best, score
from nas_jax.report import plots
from nas_jax.report.page import Picture, Section
from nas_jax.trial import Trial
from nas_jax.units import describe_score

_MAX_CURVES = 150  # lines of search trials in one picture
_MIN_RANDOM = 4  # random trials without which there is no reference


class Reference(NamedTuple):
    """The trials that stand for random search, and what they are."""

    scores: Float[np.ndarray, " m"]
    description: str


def scale_of(objective: Objective) -> plots.Scale:
    """What the scores of an objective are called in a figure."""
    name = objective.metric.replace("val_", "validation ").replace("_", " ")
    return plots.Scale(name if objective.maximize else f"negative {name}", is_fraction(objective.metric))


def expected_best(scores: Float[np.ndarray, " m"], num: int) -> Float[np.ndarray, " num"]:
    """The expected maximum of 1, ..., `num` draws, with replacement, from the empirical distribution of `scores`.

    The sum over i of x_i ((i/m)^n - ((i-1)/m)^n), where x_1 <= ... <= x_m (Dodge et al., "Show Your Work: Improved
    Reporting of Experimental Results", EMNLP 2019, eq. 2-4). Never above the largest of `scores`, and biased downwards,
    the more so the more draws there are for each score.
    """
    m = len(scores)
    below = np.arange(m + 1) / m  # [m + 1]
    powers = below[None] ** np.arange(1, num + 1)[:, None]  # [num, m + 1]
    return np.diff(powers, axis=1) @ np.sort(scores)


def random_reference(run: Record, objective: Objective) -> Reference | None:
    """The trials of the search that owe nothing to earlier ones; None where they are not known, or too few.

    All trials of random search; of a strategy that predicts, those before its first prediction. Of others a log does
    not tell.
    """
    searched = run.of("search")
    if (run.config.get("strategy") or {}).get("name") == "random_search":
        chosen, description = searched, "all trials of this search, which are random"
    else:
        predicted = [place for place, trial in enumerate(searched) if trial.prediction]
        chosen = searched[: predicted[0]] if predicted else []
        description = "the initial trials, which the strategy drew at random before it asked the surrogate"
    scores = np.array([score(trial, objective) for trial in chosen])
    scores = scores[~np.isnan(scores)]
    return Reference(scores, f"{description} ({len(scores)})") if len(scores) >= _MIN_RANDOM else None


def progress(run: Record, objective: Objective) -> Section:
    """How the best score grew, by trial and by hour, beside what random search may expect."""
    title = "Progress"
    searched = run.of("search")
    best = find_best(searched, objective)
    if best is None:
        return Section("progress", title, "No trial has a score yet.")
    scores = np.array([score(trial, objective) for trial in searched])
    reference = random_reference(run, objective)
    num = len(scores)
    expected = is_extrapolated = None
    if reference:
        expected = expected_best(reference.scores, num)
        is_extrapolated = np.arange(1, num + 1) > len(reference.scores)
    verdict = (
        f"The best of {int((~np.isnan(scores)).sum())} scores is {describe_score(score(best, objective), objective)}, "
        f"found by trial {searched.index(best) + 1} of {num}."
    )
    caption = _caption(reference, num)

    def picture(position: Float[np.ndarray, " n"], unit: str, name: str) -> Picture:
        drawn = plots.best_so_far(
            position, scores, scale_of(objective), unit=unit, expected=expected, is_extrapolated=is_extrapolated
        )
        return Picture(drawn, f"Scores of the search trials and the best so far, by {name}", caption)

    pictures = [picture(np.arange(1.0, num + 1), "Search trial", "trial")]
    hours = np.cumsum([sum((trial.seconds or {}).values()) for trial in searched]) / 3600
    if hours[-1] > 0:
        unit, factor = ("Hours", 1) if hours[-1] >= 1 else ("Minutes", 60)
        by_time = picture(hours * factor, f"{unit} of trials, summed", "time")
        note = "Time is what trials took, one after the other: workers side by side need less."
        pictures.append(by_time._replace(caption=note))
    return Section("progress", title, verdict, pictures=tuple(pictures))


def _caption(reference: Reference | None, num: int) -> str:
    if reference is None:
        return "Random search is not drawn: no trials of this search are known to be random."
    text = (
        "Random search is the expected best of as many draws, with replacement, from the scores of "
        f"{reference.description}."
    )
    if num > len(reference.scores):
        text += (
            f" It cannot exceed the best of these, so beyond {len(reference.scores)} draws (dots) it says too little "
            "of what more random trials would find."
        )
    return text


def learning_curves(run: Record, objective: Objective, winner: Trial | None) -> Section:
    """The metric of the search, else the validation loss, epoch by epoch."""
    title = "Learning curves"
    with_curve = [trial for trial in run.trials if (trial.metrics or {}).get("curve")]
    if not with_curve:
        why = "results were looked up" if run.is_table else "no training has ended"
        return Section("curves", title, f"There are none: {why}.")
    names = [name for name in (objective.metric, "val_accuracy", "val_loss") if name in _curve(with_curve[0])]
    metric = names[0] if names else next(iter(_curve(with_curve[0])))
    searched = _spread([trial for trial in with_curve if trial.stage == "search"], objective)
    later = [trial for trial in with_curve if trial.stage != "search" and trial != winner]
    drawn = [*searched, *later, *([winner] if winner in with_curve else [])]
    curves = [("winner" if trial == winner else trial.stage, _curve(trial).get(metric, [])) for trial in drawn]
    label = metric.replace("val_", "validation ").replace("_", " ")
    figure = plots.learning_curves([pair for pair in curves if pair[1]], label, is_fraction=is_fraction(metric))
    num_hidden = sum(trial.stage == "search" for trial in with_curve) - len(searched)
    caption = f"{num_hidden} search trials, evenly spread by rank, are left out." if num_hidden else ""
    if any("seeds" in (trial.metrics or {}) for trial in drawn):
        caption += " A network that was trained with several seeds has their mean."
    return Section("curves", title, pictures=(Picture(figure, f"{label.capitalize()}, by epoch", caption.strip()),))


def _curve(trial: Trial) -> dict[str, Sequence[float]]:
    return (trial.metrics or {})["curve"]


def _spread(trials: list[Trial], objective: Objective) -> list[Trial]:
    """At most so many that a picture of them can be read, from the best to the worst."""
    ranked = sorted(trials, key=lambda trial: np.nan_to_num(score(trial, objective), nan=-np.inf))
    if len(ranked) <= _MAX_CURVES:
        return ranked
    return [ranked[place] for place in np.linspace(0, len(ranked) - 1, _MAX_CURVES).round().astype(int)]


def sizes(run: Record, objective: Objective, winner: Trial | None) -> Section:
    """Scores over numbers of parameters."""
    title = "Size"
    params = {trial.id: float((trial.metrics or {}).get("num_params") or 0) for trial in run.trials}
    shown = [trial for trial in run.trials if params[trial.id] > 0 and not math.isnan(score(trial, objective))]
    if not shown:
        return Section("size", title, "The number of parameters is not known of any trial.")
    figure = plots.scores_over_parameters(
        np.array([params[trial.id] for trial in shown]),
        np.array([score(trial, objective) for trial in shown]),
        [trial.stage for trial in shown],
        scale_of(objective),
        winner=shown.index(winner) if winner in shown else None,
    )
    caption = ""
    if run.of("final") and not run.is_table:
        caption = "Search trials had the short training, all others the full one."
    return Section("size", title, pictures=(Picture(figure, "Scores over the number of parameters", caption),))
