"""How much of a difference is noise: by the choice of examples, and by training seeds."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from nas_jax.objectives import is_fraction
from nas_jax.record import Record
from nas_jax.units import binomial_error

MANY = 2.0  # standard errors that a difference has to exceed


class Noise(NamedTuple):
    """Standard errors of a metric: by the choice of examples and by that of training seeds; 0 where not known."""

    examples: float
    seeds: float

    @property
    def total(self) -> float:
        return math.hypot(self.examples, self.seeds)


def noise_of(run: Record, metric: str, metrics: Mapping[str, Any]) -> Noise:
    """Of a fraction the binomial error on the split that the metric is of; over seeds what the evaluator says."""
    value, num = metrics.get(metric), run.num_examples(metric.partition("_")[0])
    examples = binomial_error(value, num) if num is not None and value is not None and is_fraction(metric) else 0.0
    return Noise(examples, metrics.get(f"{metric}_std_error") or 0.0)


class Lead(NamedTuple):
    """By how much one measured value is above another, and the noise of the difference: `MANY` standard errors."""

    difference: float
    noise: float

    def verdict(self, other: str) -> str:
        """In words, of the first against `other`; without a word on noise where none is known."""
        if self.difference == 0:
            return f"as good as {other}"
        verdict = f"{'better' if self.difference > 0 else 'worse'} than {other}"
        if not self.noise:
            return verdict
        return f"{verdict}, {'beyond' if abs(self.difference) > self.noise else 'but within'} the noise"


def lead_of(
    run: Record, metric: str, first: Mapping[str, Any], second: Mapping[str, Any], *, sign: int = 1
) -> Lead | None:
    """Of the first network over the second; None where one was not measured. `sign` is -1 where less is better."""
    values = first.get(metric), second.get(metric)
    if values[0] is None or values[1] is None:
        return None
    error = math.hypot(*(noise_of(run, metric, metrics).total for metrics in (first, second)))
    return Lead(sign * (values[0] - values[1]), MANY * error)
