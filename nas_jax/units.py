"""Numbers as text: fractions in percent, counts with their thousands set apart."""

import math
from collections.abc import Callable

from nas_jax.metrics import is_fraction
from nas_jax.objectives import Objective

UNKNOWN = "-"
_LARGEST_COUNT = 1e16  # up to which floating point has every whole number


def sentence(text: str) -> str:
    """With a capital letter."""
    return text[:1].upper() + text[1:]


def in_units(value: float | int | None, metric: str) -> str:
    """A value of the metric, with digits enough to tell trials apart: six, where it is no fraction."""
    return percent(value) if is_fraction(metric) else number(value, num_digits=6)


def units_of(metric: str) -> Callable[[float | int | None], str]:
    """What writes a difference of two values of the metric, or an error."""
    return percent if is_fraction(metric) else number


def describe_score(value: float, objective: Objective) -> str:
    """A value of the objective as the metric that it came from."""
    return in_units(objective.sign * value, objective.metric)


def percent(fraction: float | int | None) -> str:
    return UNKNOWN if fraction is None or math.isnan(fraction) else f"{100 * fraction:.2f} %"


def number(value: float | int | None, num_digits: int = 4) -> str:
    """A count with its thousands set apart, or any other number with its first digits."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    is_count = float(value).is_integer() and abs(value) < _LARGEST_COUNT
    return f"{value:,.0f}" if is_count else f"{value:.{num_digits}g}"


def binomial_error(fraction: float, num_examples: int) -> float:
    """Standard error of an accuracy that was measured on `num_examples` independent examples."""
    return math.sqrt(fraction * (1 - fraction) / num_examples)
