"""Importance as tables: for a terminal, and as rows of a CSV file."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from nas_jax.importance.ablation import Ablation
from nas_jax.importance.measures import Estimate, Importance
from nas_jax.objectives import Objective
from nas_jax.units import UNKNOWN

COLUMNS = ("measure", "gene", "choice", "value", "std")


def csv_rows(importance: Importance, ablations: Iterable[Ablation] = ()) -> Iterator[tuple[Any, ...]]:
    """Rows of COLUMNS. Effects and ablations have a choice; an ablation of several genes names them all."""
    for measure, by_gene in importance.measures.items():
        for gene, estimate in by_gene.items():
            yield measure, gene, "", *estimate
    for effect in importance.effects:
        yield "effect", *effect
    for _, changes, difference in ablations:
        choices = ", ".join(f"{_named(before)} -> {_named(after)}" for before, after in changes.values())
        yield "ablation", ", ".join(changes), choices, difference, float("nan")


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


def ablation_table(ablations: Sequence[Ablation], objective: Objective) -> Table:
    """A row a neighbour, the largest loss first."""
    header = ("changed", "from", "to", f"{objective.metric}, difference")
    ordered = sorted(ablations, key=lambda ablation: np.nan_to_num(ablation.difference, nan=-np.inf))
    rows = (
        [
            ", ".join(changes),
            *(", ".join(_named(pair[side]) for pair in changes.values()) for side in (0, 1)),
            f"{difference if objective.maximize else -difference:+.4g}" if trial.metrics else trial.status,
        ]
        for trial, changes, difference in ordered
    )
    return _table(header, rows)


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
