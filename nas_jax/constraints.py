"""What a trial has to keep to: a metric at most, or at least, so much."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas_jax.errors import UserError


@dataclass(frozen=True)
class Constraint:
    """Limits of a metric, in its own units. A trial that breaks one of them is infeasible and never wins.

    Raises:
        ValueError: no limit, one that is not finite, or limits that nothing keeps.
    """

    metric: str
    at_most: float | int | None = None
    at_least: float | int | None = None

    def __post_init__(self) -> None:
        limits = [limit for limit in (self.at_most, self.at_least) if limit is not None]
        if not limits or not all(math.isfinite(limit) for limit in limits):
            raise ValueError(f"{self.metric}: give a finite at_most or at_least")
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            low, high = in_full(self.at_least), in_full(self.at_most)
            raise ValueError(f"{self.metric}: nothing is at least {low} and at most {high}")

    @property
    def num_limits(self) -> int:
        return (self.at_most is not None) + (self.at_least is not None)

    def violations(self, metrics: Mapping[str, Any]) -> list[float]:
        """By how much each limit is broken, at_most first, in shares of the limit (of one, where it is zero).

        What keeps a limit has a number that is not positive.

        Raises:
            UserError: the metric is not among them, or no number.
        """
        if self.metric not in metrics:
            raise UserError(f"constraints: no metric {self.metric!r}; there are {', '.join(sorted(metrics))}")
        value = metrics[self.metric]
        if not isinstance(value, int | float):
            raise UserError(f"constraints: {self.metric!r} is no number but {value!r}")
        sided = ((1, self.at_most), (-1, self.at_least))
        return [sign * (float(value) - limit) / (abs(limit) or 1.0) for sign, limit in sided if limit is not None]

    def __str__(self) -> str:
        low = "" if self.at_least is None else f"{in_full(self.at_least)} <= "
        high = "" if self.at_most is None else f" <= {in_full(self.at_most)}"
        return f"{low}{self.metric}{high}"


def in_full(limit: float | int) -> str:
    """A limit with all of its digits, and its thousands set apart."""
    return f"{int(limit):,}" if float(limit).is_integer() else f"{limit:,}"
