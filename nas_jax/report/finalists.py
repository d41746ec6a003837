"""The section of a report on the finalists: what the surrogate promised of each, and what it turned out to be."""

import numpy as np

from nas_jax.metrics import finite_metric
from nas_jax.objectives import Objective, epochs_spent
from nas_jax.record import score, total_seconds
from nas_jax.report.noise import noise_of
from nas_jax.report.page import Section, Table
from nas_jax.report.subject import Subject
from nas_jax.trial import BASELINES, Genome, Trial
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
        self._subject, self._objective, self._place = subject, objective, place
        self._searched = _last_of_each(subject, objective)

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
            self._in_search(trial),
            f"{measured} ± {units_of(metric)(error)}" if error else measured,
        )

    def _in_search(self, trial: Trial) -> str:
        searched = self._searched.get(trial.genome)
        if searched is None:
            return UNKNOWN
        said, full = describe_score(score(searched, self._objective), self._objective), self._subject.budgets.full
        epochs = (searched.budget or full).epochs
        return said if epochs == full.epochs else f"{said} ({epochs} of {full.epochs})"


def _last_of_each(subject: Subject, objective: Objective) -> dict[Genome, Trial]:
    """Of each architecture the search trial with the largest budget that has a value, the first of several."""
    valued = [trial for trial in subject.searched if objective.finite_value(trial) is not None]
    ordered = sorted(valued, key=lambda trial: (epochs_spent(trial), -trial.id))
    return {trial.genome: trial for trial in ordered}


def _note(subject: Subject, ordered: list[Trial]) -> str:
    record, winner, metrics = subject.record, subject.winner, subject.objectives.metrics
    note = (
        f"Search is {'as looked up for' if record.is_table else 'by the recipe of'} a search trial, final that of a "
        f"finalist. A prediction is mean ± one standard deviation; measured, search is empty ({UNKNOWN}) where the "
        f"search never tried the architecture."
    )
    if any(trial.budget for trial in subject.searched):
        note += " A number of epochs, or of what a table counts in, is where the search stopped its training."
    if len(metrics) == 1:
        note += f" The metric is {metrics[0]}."
    if winner is not None and winner.stage in BASELINES:
        num = len(record.of("final"))
        note += f" The winner is none of the {num} finalists but the {BASELINES[winner.stage]}."
    if any(f"{metric}_std_error" in (trial.metrics or {}) for trial in ordered for metric in metrics):
        note += " ± behind a final one is its standard error over seeds."
    return note
