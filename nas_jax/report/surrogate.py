"""The section of a report about the surrogate: how far its predictions can be trusted.

Predictions that trials were proposed with judge the strategy as much: they are of chosen trials, at a changing amount
of data. Cross-validation, computed anew, judges the surrogate alone.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nas_jax.errors import UserError
from nas_jax.objectives import Objective
from nas_jax.record import Record, score
from nas_jax.report import plots
from nas_jax.report.page import Picture, Section, Table
from nas_jax.report.search import scale_of
from nas_jax.surrogates import metrics as quality
from nas_jax.surrogates.base import Posterior, Surrogate
from nas_jax.surrogates.validation import cross_validate
from nas_jax.trial import Genome
from nas_jax.units import in_units, number

MIN_TRIALS = 5  # below it a rank correlation says nothing
MAX_TRIALS = 200  # to which a surrogate is fitted anew, many times over
_NUM_FOLDS = 10


@runtime_checkable
class Encoder(Protocol):
    """The part of a space without which there is no report."""

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]: ...


class Predictions(NamedTuple):
    """What was predicted, with deviations for a new measurement, and what was measured."""

    mean: Float[np.ndarray, " n"]
    std: Float[np.ndarray, " n"]
    measured: Float[np.ndarray, " n"]
    position: Float[np.ndarray, " n"]  # in the search, from 1

    @property
    def posterior(self) -> Posterior:
        return Posterior(jnp.asarray(self.mean, jnp.float32), jnp.asarray(self.std, jnp.float32))


def surrogate_section(run: Record, objective: Objective, space: Encoder, surrogate: Surrogate) -> Section:
    """Predictions against measurements, made in advance and in cross-validation."""
    in_advance = predictions_in_advance(run, objective)
    genomes, scores = sample_of_history(run, objective)
    parts = [_in_advance(in_advance, objective)]
    curves = {"in advance": in_advance} if len(in_advance.mean) >= MIN_TRIALS else {}
    if len(scores) < MIN_TRIALS:
        verdict = f"Its quality is not reported: {len(scores)} search trials have a score, {MIN_TRIALS} are needed."
        return Section("surrogate", "The surrogate", verdict)
    key = jax.random.key(run.config["seed"])
    try:
        posterior = cross_validate(surrogate, key, space.encode(genomes), scores, num_folds=_NUM_FOLDS)
    except (ValueError, UserError) as error:
        parts.append(Section("held-out", "Cross-validated", f"The surrogate refuses these scores: {error}"))
    else:
        mean, std = (np.asarray(values, np.float64) for values in posterior)
        held_out = Predictions(mean, std, scores, np.arange(1.0, len(scores) + 1))
        curves["cross-validated"] = held_out
        num_scored = sum(objective.finite_score(trial) is not None for trial in run.of("search"))
        parts.append(_held_out(held_out, num_scored, objective))
    pictures = (_calibration(curves),) if curves else ()
    return Section("surrogate", "The surrogate", _verdict(curves), parts=tuple(parts), pictures=pictures)


def predictions_in_advance(run: Record, objective: Objective) -> Predictions:
    """Those that search trials were proposed with, where they have a score now."""
    rows = [
        (*trial.prediction, score(trial, objective), place)
        for place, trial in enumerate(run.of("search"), start=1)
        if trial.prediction and not np.isnan(score(trial, objective))
    ]
    return Predictions(*np.array(rows, np.float64).reshape(-1, 4).T)


def sample_of_history(run: Record, objective: Objective) -> tuple[list[Genome], Float[np.ndarray, " n"]]:
    """Genomes and scores of the search, of at most `MAX_TRIALS` random ones, in their order."""
    history = objective.history(run.of("search"))
    num = len(history.scores)
    rng = np.random.default_rng(run.config["seed"])
    chosen = np.sort(rng.choice(num, MAX_TRIALS, replace=False)) if num > MAX_TRIALS else np.arange(num)
    return [history.genomes[place] for place in chosen], history.scores[chosen]


def _verdict(curves: dict[str, Predictions]) -> str:
    words = [
        f"Kendall's tau {quality.kendall_tau(each.mean, each.measured):.2f} {name}" for name, each in curves.items()
    ]
    return f"Ranks: {', '.join(words)}." if words else ""


def _in_advance(predictions: Predictions, objective: Objective) -> Section:
    title = "Before the measurement"
    num = len(predictions.mean)
    if num < MIN_TRIALS:
        return Section(
            "in-advance",
            title,
            f"{num} search trials were predicted before they were measured, {MIN_TRIALS} are needed to judge by.",
        )
    return Section(
        "in-advance",
        title,
        paragraphs=(
            "Each search trial that the surrogate proposed, as it was predicted then, by what was known then.",
        ),
        tables=(_measures(predictions, objective),),
        pictures=(
            _scatter(predictions, objective, "in advance"),
            Picture(
                plots.residuals(predictions.position, (predictions.measured - predictions.mean) / predictions.std),
                "Residuals of predictions in advance, in the order of the search",
                "About one in twenty should be outside the band. A drift to one side is a bias that the search has "
                "followed.",
            ),
        ),
    )


def _held_out(predictions: Predictions, num_scored: int, objective: Objective) -> Section:
    num = len(predictions.mean)
    text = (
        "Each search trial was predicted by a surrogate fitted without it, in cross-validation with "
        f"{min(_NUM_FOLDS, num)} folds."
    )
    if num < num_scored:
        text += f" To be quick, that was done with {num} trials drawn from the {num_scored:,}."
    return Section(
        "held-out",
        "Cross-validated",
        paragraphs=(text,),
        tables=(_measures(predictions, objective),),
        pictures=(_scatter(predictions, objective, "cross-validated"),),
    )


def _scatter(predictions: Predictions, objective: Objective, name: str) -> Picture:
    mean, std, measured, _ = predictions
    figure = plots.predicted_against_measured(measured, mean, std, scale_of(objective))
    return Picture(figure, f"Predicted against measured scores, {name}")


def _calibration(curves: dict[str, Predictions]) -> Picture:
    observed = [quality.calibration_curve(each.posterior, each.measured) for each in curves.values()]
    return Picture(
        plots.calibration(observed[0][0], [shares for _, shares in observed], list(curves)),
        "Calibration: the share of measurements within intervals, over the share that should be",
        "Below the diagonal the surrogate is too sure of itself, above it not sure enough.",
    )


def _measures(predictions: Predictions, objective: Objective) -> Table:
    mean, _, measured, _ = predictions
    rows = (
        ("trials", number(len(mean))),
        ("Kendall's tau", f"{quality.kendall_tau(mean, measured):.3f}"),
        ("Spearman's rho", f"{quality.spearman(mean, measured):.3f}"),
        ("root mean squared error", in_units(quality.rmse(mean, measured), objective)),
        ("coverage of the 95 % intervals", f"{100 * quality.coverage(predictions.posterior, measured):.1f} %"),
        ("mean log density", f"{-quality.nlpd(predictions.posterior, measured):.2f} nats"),
    )
    return Table(("Measure", "Value"), rows, numeric=("Value",))
