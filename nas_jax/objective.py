"""Metrics to scores. The only module that knows a metric by name, or that smaller can be better."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas_jax.errors import UserError
from nas_jax.trial import History, Trial


@dataclass(frozen=True)
class Objective:
    """What the search maximises.

    The metric has to be one of the validation split: whatever a strategy or a surrogate sees comes from here.
    """

    metric: str = "val_accuracy"
    maximize: bool = True

    def __post_init__(self) -> None:
        if self.metric.startswith("test"):
            raise ValueError(
                f"metric: {self.metric!r} is of the test split, which no search may see; take one of 'val_…'"
            )

    def score(self, metrics: dict[str, Any]) -> float:
        """The score of a finished trial; higher is better."""
        if self.metric not in metrics:
            raise UserError(f"objective.metric: no metric {self.metric!r}; there are {', '.join(sorted(metrics))}")
        value = float(metrics[self.metric])
        return value if self.maximize else -value

    def history(self, trials: Iterable[Trial]) -> History:
        """The trials as a strategy may see them. A finished trial without a finite score counts as failed."""
        by_id = sorted(trials, key=lambda trial: trial.id)
        scores = {trial.id: self.score(trial.metrics) for trial in by_id if trial.metrics is not None}
        usable = {id for id, score in scores.items() if math.isfinite(score)}
        return History(
            genomes=tuple(trial.genome for trial in by_id if trial.id in usable),
            scores=np.array([scores[trial.id] for trial in by_id if trial.id in usable], np.float64),
            failed=tuple(trial.genome for trial in by_id if trial.status != "pending" and trial.id not in usable),
            pending=tuple(trial.genome for trial in by_id if trial.status == "pending"),
        )
