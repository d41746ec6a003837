"""Metrics to scores. The only module that knows a metric by name, or that smaller can be better."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas_jax.errors import UserError
from nas_jax.trial import History, Trial


def is_of_test_split(metric: str) -> bool:
    """Whether a metric is kept from the search."""
    return metric.startswith("test")


def is_fraction(metric: str) -> bool:
    """Whether a metric is an accuracy of a split (`val_accuracy`), which is a fraction and printed in percent."""
    return re.fullmatch(r"(train|val|test)_(\w+_)?accuracy", metric) is not None


@dataclass(frozen=True)
class Objective:
    """What the search maximises: whatever a strategy or a surrogate sees of a measurement comes from here."""

    metric: str = "val_accuracy"
    maximize: bool = True

    def __post_init__(self) -> None:
        if is_of_test_split(self.metric):
            raise ValueError(
                f"metric: {self.metric!r} is of the test split, which no search may see; take one of 'val_…'"
            )

    def score(self, metrics: dict[str, Any]) -> float:
        """The score of a finished trial; higher is better."""
        if self.metric not in metrics:
            raise UserError(f"objective.metric: no metric {self.metric!r}; there are {', '.join(sorted(metrics))}")
        value = float(metrics[self.metric])
        return value if self.maximize else -value

    def finite_score(self, trial: Trial) -> float | None:
        """The score of a trial, None where it has none that is finite."""
        score = None if trial.metrics is None else self.score(trial.metrics)
        return score if score is not None and math.isfinite(score) else None

    def history(self, trials: Iterable[Trial]) -> History:
        """The trials as a strategy may see them. A finished trial without a finite score counts as failed."""
        scored = [(trial, self.finite_score(trial)) for trial in sorted(trials, key=lambda trial: trial.id)]
        return History(
            genomes=tuple(trial.genome for trial, score in scored if score is not None),
            scores=np.array([score for _, score in scored if score is not None], np.float64),
            failed=tuple(trial.genome for trial, score in scored if score is None and trial.status != "pending"),
            pending=tuple(trial.genome for trial, _ in scored if trial.status == "pending"),
        )
