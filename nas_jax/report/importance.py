"""The section of a report about what mattered: which genes, and which of their choices, in the surrogate's opinion."""

import math
from typing import Any

import numpy as np

from nas_jax.errors import UserError
from nas_jax.importance.measures import Importance, measure_importance
from nas_jax.objectives import Objective
from nas_jax.record import Record
from nas_jax.report import plots
from nas_jax.report.page import Picture, Section, Table
from nas_jax.report.surrogate import sample_of_history
from nas_jax.spaces.base import GeneSpace
from nas_jax.strategies.targets import targets_of
from nas_jax.surrogates.base import Surrogate
from nas_jax.units import in_units

MIN_TRIALS = 10
_NUM_SAMPLES = 2048  # points of a sample for Sobol indices that are estimated
_MAX_GENES = 12
_MAX_EFFECTS = 10
_POOR = 0.2  # R² below which opinions are not worth much


def importance_section(run: Record, objective: Objective, space: object, surrogate: Surrogate) -> Section:
    """Sobol indices and marginal effects of the genes."""
    title = "What mattered"
    if not isinstance(space, GeneSpace):
        return Section("importance", title, "The space does not name its genes, so nothing can be said of them.")
    genomes, scores = sample_of_history(run, objective)
    if len(scores) < MIN_TRIALS:
        return Section("importance", title, f"{len(scores)} search trials have a score, {MIN_TRIALS} are needed.")
    kind = (run.config.get("finalists") or {}).get("targets", "scores")
    y = targets_of(scores, kind).values
    try:
        importance = measure_importance(space, surrogate, genomes, y, seed=run.config["seed"], num_samples=_NUM_SAMPLES)
    except (ValueError, UserError) as error:
        return Section("importance", title, f"That cannot be told; python -m nas_jax.importance says: {error}")
    first, total = importance.measures["sobol first"], importance.measures["sobol total"]
    genes = sorted(total, key=lambda gene: -np.nan_to_num(total[gene].value))[:_MAX_GENES]
    figure = plots.importances(
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
    text = (
        f"This is what the surrogate believes after {len(scores)} trials. Of trials that it had not seen it explains "
        f"{max(importance.r2, 0.0):.0%} of the variance (R² {importance.r2:.2f})"
        f"{', so it is not worth much' if importance.r2 < _POOR else ''}."
    )
    return Section(
        "importance",
        title,
        _verdict(genes, importance),
        paragraphs=(text,),
        tables=(_effects(importance, genes, objective, kind),),
        pictures=(Picture(figure, "Importance of genes", caption),),
    )


def _verdict(genes: list[str], importance: Importance) -> str:
    if importance.r2 < _POOR:
        return ""
    return f"What mattered most: {', then '.join(genes[:2])}."


def _effects(importance: Importance, genes: list[str], objective: Objective, kind: str) -> Table:
    """The largest effects of the genes that are shown, in either direction."""
    shown = [effect for effect in importance.effects if effect.gene in genes]
    shown = sorted(shown, key=lambda effect: -abs(effect.mean))[:_MAX_EFFECTS]

    def units(value: float) -> str:
        return f"{value:.2f}" if kind == "ranks" else in_units(value, objective)

    def row(gene: str, choice: Any, mean: float, std: float) -> tuple[str, str, str]:
        sign = "+" if mean >= 0 else "-"
        return gene, str(choice), f"{sign}{units(abs(mean))}" + ("" if math.isnan(std) else f" ± {units(std)}")

    unit = "in deviations of normal scores (ranks)" if kind == "ranks" else f"in units of {objective.metric}"
    if kind != "ranks" and not objective.maximize:
        unit += ", where + is an improvement"
    return Table(
        ("Gene", "Choice", "Effect"),
        tuple(row(*effect) for effect in shown),
        f"What a choice adds to the mean over all choices of its gene, {unit}; ± is one standard deviation.",
        numeric=("Effect",),
    )
