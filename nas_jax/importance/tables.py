"""Importance as tables: for a terminal, and as rows of a CSV file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from nas_jax.importance.ablation import Ablation
from nas_jax.importance.measures import Estimate, Importance
from nas_jax.objectives import Objectives
from nas_jax.units import UNKNOWN

COLUMNS = ("measure", "gene", "choice", "value", "std", "metric")


def csv_rows(importances: Mapping[str, Importance], ablations: Iterable[Ablation] = ()) -> Iterator[tuple[Any, ...]]:
    """Rows of COLUMNS. Effects and ablations have a choice; an ablation of several genes names them all.

    Args:
        importances: by metric of the objectives, in their order.
    """
    for metric, importance in importances.items():
        for measure, by_gene in importance.measures.items():
            for gene, estimate in by_gene.items():
                yield measure, gene, "", *estimate, metric
        for effect in importance.effects:
            yield "effect", *effect, metric
    for _, changes, differences in ablations:
        choices = ", ".join(f"{_named(before)} -> {_named(after)}" for before, after in changes.values())
        for metric, difference in zip(importances, differences, strict=True):
            yield "ablation", ", ".join(changes), choices, difference, float("nan"), metric


def importance_table(importance: Importance) -> Table:
    """A row a gene, the most important one by its total index first; what is no gene's comes last."""
    order = sorted(importance.measures["sobol total"].items(), key=lambda item: -item[1].value)
    names = dict.fromkeys([name for name, _ in order])
    names |= {name: None for by_gene in importance.measures.values() for name in by_gene}
    rows = ([name, *(_cell(by_gene.get(name)) for by_gene in importance.measures.values())] for name in names)
    return _table(("gene", *importance.measures), rows)


def effects_table(importance: Importance) -> Table:
    """A row a choice, in the order of the importance of their genes, the best one first."""
    total = importance.measures["sobol total"]
    effects = sorted(importance.effects, key=lambda effect: (-total[effect.gene].value, effect.gene, -effect.mean))
    rows = ([effect.gene, str(effect.choice), f"{effect.mean:+.4g} ± {effect.std:.2g}"] for effect in effects)
    return _table(("gene", "choice", "effect"), rows)


def ablation_table(ablations: Sequence[Ablation], objectives: Objectives) -> Table:
    """A row a neighbour, the largest loss in the first objective first."""
    header = ("changed", "from", "to", *(f"{metric}, difference" for metric in objectives.metrics))

    def row(trial: Any, changes: Mapping[str, tuple[Any, Any]], differences: Sequence[float]) -> list[str]:
        sides = (", ".join(_named(pair[side]) for pair in changes.values()) for side in (0, 1))
        signed = zip(objectives, differences, strict=True)
        cells = [f"{each.sign * value:+.4g}" if trial.metrics else trial.status for each, value in signed]
        return [", ".join(changes), *sides, *cells]

    ordered = sorted(ablations, key=lambda ablation: np.nan_to_num(ablation.differences[0], nan=-np.inf))
    return _table(header, (row(*ablation) for ablation in ordered))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*header, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))  # Text: brackets in the data are not markup
    return table


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return UNKNOWN
    return f"{estimate.value:.3f}" + (f" ± {estimate.std:.3f}" if estimate.std > 0 else "")


def _named(choice: Any) -> str:
    return UNKNOWN if choice is None else str(choice)
