"""The incumbent within a cost, and its regret.

Among the trainings that ended within the cost, the incumbent is the best at the highest budget at which any of them
ended finite. Its regret counts its value after the full budget, capped at the table's 90 % quantile of such values;
before there is one, the regret is that of the cap.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from nas_jax.evaluators.base import Evaluator, attempt
from nas_jax.evaluators.tabular import Tabular
from nas_jax.parts import Parts
from nas_jax.trial import Trial

CAP = 0.9  # quantile


class Table:
    """What a table has of trainings to the end."""

    def __init__(self, parts: Parts) -> None:
        (self.objective,) = parts.objectives
        self.budgets = parts.search.budgets
        self._tabular = tabular(parts.search.evaluator)
        trials = (
            Trial(0, genome, "", "search", seed) for genome in parts.space.genomes() for seed in self._seeds(genome)
        )
        losses = [loss for trial in trials if (loss := self.final_loss(trial)) is not None]
        self.best, self.cap = min(losses), float(np.quantile(losses, CAP))

    def final_loss(self, trial: Trial) -> float | None:
        """The loss (lower is better) after the full budget; None where the training diverges."""
        ended = attempt(self._tabular.measure, dataclasses.replace(trial, budget=None, continues=None))
        value = self.objective.finite_value(ended)
        return None if value is None else -value

    def regret(self, trial: Trial | None) -> float:
        loss = None if trial is None else self.final_loss(trial)
        return (self.cap if loss is None else min(loss, self.cap)) - self.best

    def _seeds(self, genome: tuple) -> Sequence[int]:
        """Seeds by which each row of the genome comes up, most likely."""
        return range(20) if len(self._tabular.rows(genome)) > 1 else (0,)


def tabular(evaluator: Evaluator) -> Tabular:
    assert isinstance(evaluator, Tabular)
    return evaluator


def regrets(table: Table, ended: Sequence[Trial], costs: Sequence[float]) -> list[float]:
    """The regret at each of the costs, which ascend, of trials in the order in which they ended, one at a time."""
    spent, incumbent = 0.0, None
    found, left = [], list(costs)
    for trial, cost in zip(ended, table.budgets.costs(ended), strict=True):
        spent += cost
        while left and spent > left[0] + 1e-9:
            found.append(table.regret(incumbent))
            left.pop(0)
        if _rank(table, trial) > _rank(table, incumbent):
            incumbent = trial
    return [*found, *(table.regret(incumbent) for _ in left)]


def _rank(table: Table, trial: Trial | None) -> tuple[int, float]:
    value = None if trial is None else table.objective.finite_value(trial)
    if trial is None or value is None:
        return (0, 0.0)
    return ((trial.budget or table.budgets.full).epochs, value)
