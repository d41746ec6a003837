"""The section of a report about what mattered: which genes, and which of their choices, in the surrogate's opinion."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from nas_jax.errors import UserError
from nas_jax.importance.measures import Importance, measure_importance
from nas_jax.importance.of_run import of_genes_alone, studied, too_few
from nas_jax.importance.study import MIN_TRIALS, Study, units_of_effects
from nas_jax.objectives import Objective, Objectives
from nas_jax.report.page import Picture, Section, Table
from nas_jax.report.plots import BLUE, INK, finish, new_axes, styled
from nas_jax.report.subject import Subject
from nas_jax.spaces.base import GeneSpace
from nas_jax.trial import History
from nas_jax.units import units_of

TITLE = "What mattered"
_NUM_SAMPLES = 2048  # points of a sample for Sobol indices that are estimated
_MAX_GENES = 12
_MAX_EFFECTS = 10
_POOR = 0.2  # R² below which opinions are not worth much


def section(subject: Subject) -> Section:
    """Sobol indices and marginal effects of the genes, for each objective."""
    if not isinstance(subject.space, GeneSpace):
        return Section("importance", TITLE, "The space does not name its genes, so nothing can be said of them.")
    parts = [_part(subject, objective, subject.space) for objective in subject.objectives]
    if len(parts) == 1:
        return parts[0]
    named = [
        part._replace(id=f"importance-{place}", title=f"For {metric}")
        for place, (part, metric) in enumerate(zip(parts, subject.objectives.metrics, strict=True))
    ]
    return Section("importance", TITLE, parts=tuple(named))


def _with_budget(history: History) -> str:
    budget = history.budgets[0]
    return "" if budget is None else f" with a budget of {budget.epochs}"


def _part(subject: Subject, objective: Objective, space: GeneSpace) -> Section:
    history = subject.sample_of_history(Objectives((objective,)).history(studied(subject.searched, objective)))
    num = len(history.genomes)
    if num < MIN_TRIALS:
        return Section("importance", TITLE, f"{too_few(num, subject.searched)}, {MIN_TRIALS} are needed.")
    try:
        learner = of_genes_alone(subject.learner.of(objective.metric), space)
        study = Study(space, learner, history, subject.seed)
        importance = measure_importance(study, num_samples=_NUM_SAMPLES)
    except UserError as error:
        return Section("importance", TITLE, f"That cannot be told; python -m nas_jax.importance says: {error}")
    total = importance.measures["sobol total"]
    genes = sorted(total, key=lambda gene: -np.nan_to_num(total[gene].value))[:_MAX_GENES]
    text = (
        f"This is what the surrogate believes after {num} trials{_with_budget(history)}. Of trials that it had not "
        f"seen it explains {max(importance.r2, 0.0):.0%} of the variance (R² {importance.r2:.2f})"
        f"{', so it is not worth much' if importance.r2 < _POOR else ''}."
    )
    return Section(
        "importance",
        TITLE,
        "" if importance.r2 < _POOR else f"What mattered most: {', then '.join(genes[:2])}.",
        paragraphs=(text,),
        tables=(_effects(importance, genes, objective, learner.kind_of(history)),),
        pictures=(_picture(importance, genes),),
    )


def _picture(importance: Importance, genes: Sequence[str]) -> Picture:
    first, total = importance.measures["sobol first"], importance.measures["sobol total"]
    figure = importances(
        genes,
        np.array([total[gene].value for gene in genes]),
        np.nan_to_num([total[gene].std for gene in genes]),
        np.array([first[gene].value for gene in genes]),
    )
    caption = (
        "Sobol indices of the surrogate's mean over genes that are drawn independently: the share of the variance that "
        "a gene makes alone, and together with others."
    )
    if len(total) > len(genes):
        caption += f" The {len(genes)} most important of {len(total)} genes."
    return Picture(figure, "Importance of genes", caption)


def _effects(importance: Importance, genes: Sequence[str], objective: Objective, targets: str) -> Table:
    """The largest effects of the genes that are shown, in either direction."""
    shown = [effect for effect in importance.effects if effect.gene in genes]
    shown = sorted(shown, key=lambda effect: -abs(effect.mean))[:_MAX_EFFECTS]
    is_score = targets == "scores"

    def units(value: float) -> str:
        return units_of(objective.metric)(value) if is_score else f"{value:.2f}"

    def row(gene: str, choice: Any, mean: float, std: float) -> tuple[str, str, str]:
        sign = "+" if mean >= 0 else "-"
        return gene, str(choice), f"{sign}{units(abs(mean))}" + ("" if math.isnan(std) else f" ± {units(std)}")

    return Table(
        ("Gene", "Choice", "Effect"),
        tuple(row(*effect) for effect in shown),
        f"What a choice adds to the mean over all choices of its gene, in {units_of_effects(targets, objective)}; ± is "
        "one standard deviation.",
        numeric=("Effect",),
    )


@styled
def importances(
    genes: Sequence[str],
    total: Float[np.ndarray, " g"],
    total_std: Float[np.ndarray, " g"],
    first: Float[np.ndarray, " g"],
) -> Figure:
    """Bars of the total Sobol indices, and within them the part of a gene alone; the first gene is on top."""
    figure, axes = new_axes(height=0.9 + 0.32 * len(genes))
    places = np.arange(len(genes))[::-1]
    error = {"ecolor": INK, "elinewidth": 1}
    axes.barh(places, total, xerr=total_std, color=BLUE, alpha=0.45, label="with others", error_kw=error)
    axes.barh(places, np.maximum(first, 0), height=0.4, color=BLUE, label="alone")
    axes.set_yticks(places, [name if len(name) <= 24 else f"{name[:23]}…" for name in genes])
    axes.set(xlabel="Share of the variance", xlim=(0, None))
    axes.grid(False, axis="y")
    finish(figure, axes, percent="x")
    return figure
