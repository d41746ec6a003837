"""The section of a report about the surrogate: how far its predictions can be trusted.

Predictions that trials were proposed with judge the strategy as much: they are of chosen trials, at a changing amount
of data. Cross-validation, computed anew, judges the surrogate alone, with the features and targets that it had in the
search (`strategies/learner.py`).
"""

from nas_jax.errors import UserError
from nas_jax.objectives import Objective
from nas_jax.record import is_in_full, score
from nas_jax.report.page import Picture, Section
from nas_jax.report.plots import label_of
from nas_jax.report.predictions import (
    Predictions,
    calibration,
    measures,
    predicted_against_measured,
    predictions_of,
    residuals,
)
from nas_jax.report.subject import Subject
from nas_jax.surrogates import metrics as quality

TITLE = "The surrogate"
_MIN_TRIALS = 5  # below it a rank correlation says nothing
_NUM_FOLDS = 10


def section(subject: Subject) -> Section:
    """Predictions against measurements, made in advance and in cross-validation, of each objective."""
    num = len(subject.history(next(iter(subject.objectives))).genomes)
    if num < _MIN_TRIALS:
        of_largest = " with the largest budget" if any(trial.budget for trial in subject.searched) else ""
        verdict = (
            f"Its quality is not reported: {num} search trials have a score{of_largest}, {_MIN_TRIALS} are needed."
        )
        return Section("surrogate", TITLE, verdict)
    verdicts: list[str] = []
    parts: list[Section] = []
    pictures: list[Picture] = []
    for place, objective in enumerate(subject.objectives):
        in_advance = predictions_in_advance(subject, place)
        curves = {"in advance": in_advance} if len(in_advance.mean) >= _MIN_TRIALS else {}
        found = [_in_advance(in_advance, objective)]
        try:
            curves["cross-validated"] = cross_validated(subject, objective)
        except (UserError, ValueError) as error:
            found.append(Section("held-out", "Cross-validated", f"The surrogate refuses these scores: {error}"))
        else:
            found.append(_held_out(subject, curves["cross-validated"], objective))
        if curves:
            pictures.append(_calibration(curves))
            verdicts.append(_verdict(curves))
        parts += found if len(subject.objectives) == 1 else [_of_objective(part, place, objective) for part in found]
    return Section("surrogate", TITLE, " ".join(verdicts), parts=tuple(parts), pictures=tuple(pictures))


def predictions_in_advance(subject: Subject, place: int) -> Predictions:
    """Those of the objective at `place` that search trials were proposed with, where they have a value now.

    Of trials with less than the largest budget nothing is said: their values are of a part of a training.
    """
    objective = subject.objectives.each[place]
    known = [
        (position, trial)
        for position, (trial, is_whole) in enumerate(
            zip(subject.searched, is_in_full(subject.searched), strict=True), start=1
        )
        if is_whole and trial.predictions and objective.finite_value(trial) is not None
    ]
    return predictions_of(
        [trial.predictions[place] for _, trial in known],
        [score(trial, objective) for _, trial in known],
        [position for position, _ in known],
    )


def cross_validated(subject: Subject, objective: Objective) -> Predictions:
    """What the learner says of each trial without having seen it.

    Raises:
        UserError: the surrogate refuses the values.
    """
    history = subject.sample_of_history(subject.history(objective))
    predicted = subject.learner.of(objective.metric).cross_validate(history, subject.seed, _NUM_FOLDS)
    return predictions_of(predicted, history.scores.tolist(), [place + 1 for place in history.places])


def _of_objective(part: Section, place: int, objective: Objective) -> Section:
    """With an id and a title that no other objective's part has."""
    return part._replace(id=f"{part.id}-{place}", title=f"{part.title}: {objective.metric}")


def _verdict(curves: dict[str, Predictions]) -> str:
    words = [
        f"Kendall's tau {quality.kendall_tau(each.mean, each.measured):.2f} {name}" for name, each in curves.items()
    ]
    return f"Ranks: {', '.join(words)}."


def _in_advance(predictions: Predictions, objective: Objective) -> Section:
    title, num = "Before the measurement", len(predictions.mean)
    if num < _MIN_TRIALS:
        return Section(
            "in-advance",
            title,
            f"{num} search trials were predicted before they were measured, {_MIN_TRIALS} are needed to judge by.",
        )
    return Section(
        "in-advance",
        title,
        paragraphs=(
            "Each search trial that the surrogate proposed, as it was predicted then, by what was known then.",
        ),
        tables=(measures(predictions, objective),),
        pictures=(
            _scatter(predictions, objective, "in advance"),
            Picture(
                residuals(predictions),
                "Residuals of predictions in advance, in the order of the search",
                "About one in twenty should be outside the band. A drift to one side is a bias that the search has "
                "followed.",
            ),
        ),
    )


def _held_out(subject: Subject, predictions: Predictions, objective: Objective) -> Section:
    num, num_scored = len(predictions.mean), len(subject.history(objective).genomes)
    text = (
        "Each search trial was predicted by a surrogate fitted without it, in cross-validation with "
        f"{min(_NUM_FOLDS, num)} folds. It learned "
        f"{subject.learner.of(objective.metric).kind_of(subject.history(objective))}, as in the search."
    )
    if num < num_scored:
        text += f" To be quick, that was done with {num} trials drawn from the {num_scored:,}."
    return Section(
        "held-out",
        "Cross-validated",
        paragraphs=(text,),
        tables=(measures(predictions, objective),),
        pictures=(_scatter(predictions, objective, "cross-validated"),),
    )


def _scatter(predictions: Predictions, objective: Objective, name: str) -> Picture:
    figure = predicted_against_measured(predictions, label_of(objective))
    return Picture(figure, f"Predicted against measured scores, {name}")


def _calibration(curves: dict[str, Predictions]) -> Picture:
    return Picture(
        calibration(curves),
        "Calibration: the share of measurements within intervals, over the share that should be",
        "Below the diagonal the surrogate is too sure of itself, above it not sure enough.",
    )
