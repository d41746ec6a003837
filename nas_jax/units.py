"""Numbers as text: fractions in percent, counts with their thousands set apart."""

import math

from nas_jax.objectives import Objective, is_fraction

UNKNOWN = "-"


def in_units(value: float, objective: Objective) -> str:
    """A value of the metric, or a difference of two."""
    return percent(value) if is_fraction(objective.metric) else number(value)


def describe_score(value: float, objective: Objective) -> str:
    """A score as the metric that it came from."""
    return in_units(value if objective.maximize else -value, objective)


def percent(fraction: float | None) -> str:
    return UNKNOWN if fraction is None or math.isnan(fraction) else f"{100 * fraction:.2f} %"


def number(value: float | int | None) -> str:
    """A count with its thousands set apart, or any other number with four digits."""
    if value is None or math.isnan(value):
        return UNKNOWN
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def binomial_error(fraction: float, num_examples: int) -> float:
    """Standard error of an accuracy that was measured on `num_examples` independent examples."""
    return math.sqrt(fraction * (1 - fraction) / num_examples)
