"""Numbers as text: values that differ show that they do."""

import math

import pytest

from nas_jax.objectives import Objective
from nas_jax.units import describe_score, in_units, number, units_of


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (0.69804321, "val_accuracy", "69.80 %"),
        (3.02e-06, "mse", "3.02e-06"),
        (15234.2, "latency", "15234.2"),
        (0.698, "accuracy", "0.698"),
        (1234567, "num_params", "1,234,567"),
        (1e300, "loss", "1e+300"),
        (math.nan, "loss", "-"),
        (None, "loss", "-"),
    ],
)
def test_a_value_in_the_units_of_its_metric(value, metric, text):
    assert in_units(value, metric) == text


def test_errors_have_fewer_digits_than_values():
    assert units_of("mse")(1.23456e-07) == number(1.23456e-07) == "1.235e-07"
    assert units_of("val_accuracy")(0.0123) == "1.23 %"


def test_a_score_is_shown_as_its_metric():
    assert describe_score(-3.0201e-06, Objective("mse", maximize=False)) == "3.0201e-06"
