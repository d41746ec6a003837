"""What every surrogate asks of the arrays it is given, and the errors that say what is wrong with them."""

from typing import Any

import numpy as np
from jaxtyping import Float64

_LARGEST = 1e30  # squares and sums of it are finite in float64, and predictions of it in float32


def training_arrays(x: Any, y: Any) -> tuple[Float64[np.ndarray, "n d"], Float64[np.ndarray, "n"]]:
    """Turns `x` `[n, d]` and `y` `[n]` into float64 arrays of their own.

    Raises:
        ValueError: no rows or no features, shapes that do not match, or values that are not finite or exceed
            1e30 in magnitude.
    """
    x, y = _matrix("x", x), _numbers("y", y)
    if y.ndim != 1 or y.shape[0] != x.shape[0]:
        raise ValueError(
            f"y must be a vector with one target for each of the {x.shape[0]} rows of x, got shape {y.shape}"
        )
    if x.size == 0:
        raise ValueError(f"there must be at least one row and one feature to learn from, got x of shape {x.shape}")
    return _usable("x", x), _usable("y", y)


def query_array(x_new: Any, num_features: int) -> Float64[np.ndarray, "m d"]:
    """Turns `x_new` `[m, num_features]` into a float64 array of its own; m may be zero.

    Raises:
        ValueError: another shape, or values that are not finite or exceed 1e30 in magnitude.
    """
    x_new = _matrix("x_new", x_new)
    if x_new.shape[1] != num_features:
        raise ValueError(f"x_new must have the {num_features} features of the training data, got shape {x_new.shape}")
    return _usable("x_new", x_new)


def _matrix(name: str, values: Any) -> np.ndarray:
    values = _numbers(name, values)
    if values.ndim != 2:
        raise ValueError(f"{name} must be a matrix with one point a row, got shape {values.shape}")
    return values


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from error


def _usable(name: str, values: np.ndarray) -> np.ndarray:
    is_bad = ~(np.abs(values) <= _LARGEST)  # NaN compares false
    if np.any(is_bad):
        place = tuple(int(i) for i in np.argwhere(is_bad)[0])
        raise ValueError(
            f"{name} must be finite and at most {_LARGEST:g} in magnitude, got {values[place]} at index {place} "
            f"({np.count_nonzero(is_bad)} such value(s) of {values.size})"
        )
    return values
