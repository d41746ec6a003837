"""What a trial has to keep to: a metric at most, or at least, so much."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas_jax.errors import UserError
from nas_jax.hints import check_finite, check_type, python_value
from nas_jax.metrics import check_name


@dataclass(frozen=True)
class Constraint:
    """Limits of a metric, in its own units. A trial that breaks one of them is infeasible and never wins.

    Raises:
        ValueError: an argument of another type, no limit, one that is not finite, limits that nothing keeps, or a
            metric that is none.
    """

    metric: str
    at_most: float | int | None = None
    at_least: float | int | None = None

    def __post_init__(self) -> None:
        for name in ("metric", "at_most", "at_least"):
            object.__setattr__(self, name, python_value(getattr(self, name)))
        check_type(self.metric, str, "metric")
        check_name(self.metric, "metric")
        if self.at_most is None and self.at_least is None:
            raise ValueError(f"{self.metric}: give a finite at_most or at_least")
        for name, limit in (("at_most", self.at_most), ("at_least", self.at_least)):
            if limit is not None:
                check_finite(limit, f"{self.metric}: {name}")
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
