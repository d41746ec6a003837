"""The section of a report on the finalists: what the surrogate promised of each, and what it turned out to be."""

import math

import numpy as np

from nas_jax.metrics import finite_metric
from nas_jax.objectives import Objective
from nas_jax.record import score, total_seconds
from nas_jax.report.noise import noise_of
from nas_jax.report.page import Section, Table
from nas_jax.report.subject import Subject
from nas_jax.trial import BASELINES, Trial
from nas_jax.units import UNKNOWN, describe_score, number, units_of

TITLE = "Finalists"


def section(subject: Subject) -> Section:
    """A row a finalist, the best one first."""
    finalists, winner = subject.record.of("final"), subject.winner
    if not finalists:
        return Section("finalists", TITLE, "No finalist has been picked yet.")
    leading = next(iter(subject.objectives))
    ordered = sorted(finalists, key=lambda trial: -np.nan_to_num(score(trial, leading), nan=-np.inf))
    if winner is not None:
        ordered = [winner, *(trial for trial in ordered if trial != winner)]
    return Section("finalists", TITLE, tables=(_table(subject, ordered),))


def _table(subject: Subject, ordered: list[Trial]) -> Table:
    columns = [_Column(subject, objective, place) for place, objective in enumerate(subject.objectives)]

    def row(trial: Trial) -> tuple[str, ...]:
        return (
            "winner" if trial == subject.winner else "",
            trial.description,
            *(cell for column in columns for cell in column.cells(trial)),
            number(finite_metric(trial.metrics, "num_params")),
            f"{total_seconds([trial]):.0f}",
        )

    header = ("", "Architecture", *(title for each in columns for title in each.titles), "Parameters", "Seconds")
    rows = tuple(map(row, ordered))
    marked = 0 if rows[0][0] else None
    return Table(header, rows, _note(subject, ordered), numeric=header[2:], marked=marked)


class _Column:
    """The columns of one objective, the one at `place`."""

    def __init__(self, subject: Subject, objective: Objective, place: int) -> None:
        history = subject.history(objective)
        self._subject, self._objective, self._place = subject, objective, place
        self._searched = dict(zip(history.genomes, history.scores.tolist(), strict=True))

    @property
    def titles(self) -> tuple[str, str, str]:
        name = f", {self._objective.metric}" if len(self._subject.objectives) > 1 else ""
        return f"Predicted, search{name}", f"Measured, search{name}", f"Measured, final{name}"

    def cells(self, trial: Trial) -> tuple[str, str, str]:
        objective, metric = self._objective, self._objective.metric
        said = trial.predictions[self._place] if trial.predictions else None
        error = noise_of(self._subject.record, metric, trial.metrics or {}).seeds
        measured = trial.status if trial.metrics is None else describe_score(score(trial, objective), objective)
        return (
            f"{describe_score(said.mean, objective)} ± {units_of(metric)(said.std)}" if said else UNKNOWN,
            describe_score(self._searched.get(trial.genome, math.nan), objective),
            f"{measured} ± {units_of(metric)(error)}" if error else measured,
        )


def _note(subject: Subject, ordered: list[Trial]) -> str:
    record, winner, metrics = subject.record, subject.winner, subject.objectives.metrics
    note = (
        f"Search is {'as looked up for' if record.is_table else 'by the recipe of'} a search trial, final that of a "
        f"finalist. A prediction is mean ± one standard deviation; measured, search is empty ({UNKNOWN}) where the "
        f"search never tried the architecture."
    )
    if len(metrics) == 1:
        note += f" The metric is {metrics[0]}."
    if winner is not None and winner.stage in BASELINES:
        num = len(record.of("final"))
        note += f" The winner is none of the {num} finalists but the {BASELINES[winner.stage]}."
    if any(f"{metric}_std_error" in (trial.metrics or {}) for trial in ordered for metric in metrics):
        note += " ± behind a final one is its standard error over seeds."
    return note
