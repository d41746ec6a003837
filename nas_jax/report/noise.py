"""How much of a measured value is noise: by the choice of examples, and by training seeds."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from nas_jax.metrics import finite_metric, is_accuracy
from nas_jax.record import Record
from nas_jax.units import binomial_error


class Noise(NamedTuple):
    """Standard errors of a metric: by the choice of examples and by that of training seeds; 0 where not known."""

    examples: float
    seeds: float

    @property
    def total(self) -> float:
        return math.hypot(self.examples, self.seeds)


def noise_of(record: Record, metric: str, metrics: Mapping[str, Any]) -> Noise:
    """Of an accuracy the binomial error on the split that the metric is of; over seeds what the evaluator says."""
    value, num = metrics.get(metric), record.num_examples(metric.partition("_")[0])
    examples = binomial_error(value, num) if num is not None and value is not None and is_accuracy(metric) else 0.0
    return Noise(examples, finite_metric(metrics, f"{metric}_std_error") or 0.0)
