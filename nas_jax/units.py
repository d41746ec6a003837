"""Numbers as text: fractions in percent, counts with their thousands set apart."""

import math
from collections.abc import Callable

from nas_jax.objectives import Objective, is_fraction

UNKNOWN = "-"


def sentence(text: str) -> str:
    """With a capital letter."""
    return text[:1].upper() + text[1:]


def units_of(metric: str) -> Callable[[float | int | None], str]:
    """What writes a value of the metric, or a difference of two."""
    return percent if is_fraction(metric) else number


def in_units(value: float | int | None, metric: str) -> str:
    return units_of(metric)(value)


def describe_score(value: float, objective: Objective) -> str:
    """A value of the objective as the metric that it came from."""
    return in_units(objective.sign * value, objective.metric)


def percent(fraction: float | int | None) -> str:
    return UNKNOWN if fraction is None or math.isnan(fraction) else f"{100 * fraction:.2f} %"


def number(value: float | int | None) -> str:
    """A count with its thousands set apart, or any other number with four digits."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def binomial_error(fraction: float, num_examples: int) -> float:
    """Standard error of an accuracy that was measured on `num_examples` independent examples."""
    return math.sqrt(fraction * (1 - fraction) / num_examples)
