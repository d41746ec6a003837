"""What every surrogate asks of the arrays it is given, and the errors that say what is wrong with them."""

from typing import Any

import numpy as np
from jaxtyping import Float64

from nas_jax.surrogates.arrays import as_numbers

_LARGEST = 1e30  # squares and sums of it are finite in float64, and predictions of it in float32


def training_arrays(x: Any, y: Any) -> tuple[Float64[np.ndarray, "n d"], Float64[np.ndarray, " n"]]:
    """Turns `x` `[n, d]` and `y` `[n]` into float64 arrays of their own.

    Raises:
        ValueError: no rows or no features, shapes that do not match, or values that are not finite or exceed
            1e30 in magnitude; what is no array of real numbers (`arrays.py`).
    """
    x, y = _matrix("x", x), as_numbers("y", y)
    if y.ndim != 1 or y.shape[0] != x.shape[0]:
        raise ValueError(
            f"y must be a vector with one target for each of the {x.shape[0]} rows of x, got shape {y.shape}"
            + (": give y[:, 0]" if y.shape == (x.shape[0], 1) else "")
        )
    if x.size == 0:
        raise ValueError(f"there must be at least one row and one feature to learn from, got x of shape {x.shape}")
    return _usable("x", x), _usable("y", y)


def query_array(x_new: Any, num_features: int, name: str = "x_new") -> Float64[np.ndarray, "m d"]:
    """Turns `x_new` `[m, num_features]` into a float64 array of its own; m may be zero.

    Raises:
        ValueError: another shape, or values that are not finite or exceed 1e30 in magnitude.
    """
    x_new = _matrix(name, x_new)
    if x_new.shape[1] != num_features:
        raise ValueError(f"{name} must have the {num_features} features of the training data, got shape {x_new.shape}")
    return _usable(name, x_new)


def noise_array(noise_std: Any, num_rows: int) -> Float64[np.ndarray, " n"]:
    """Turns known deviations `[num_rows]`, or None for none, into a float64 array of their own.

    Raises:
        ValueError: another shape, or values that are negative, not finite or above 1e30.
    """
    if noise_std is None:
        return np.zeros(num_rows)
    noise_std = as_numbers("noise_std", noise_std)
    if noise_std.shape != (num_rows,):
        raise ValueError(f"noise_std must have one deviation for each of {num_rows} targets, got {noise_std.shape}")
    if np.any(_usable("noise_std", noise_std) < 0):
        raise ValueError(f"noise_std must not be negative, got {np.min(noise_std)}")
    return noise_std


def hyperparameter_arrays(
    lengthscales: Any, signal_std: Any, noise_std: Any, shape: Any, num_features: int, num_shapes: int
) -> tuple[Float64[np.ndarray, " d"], Float64[np.ndarray, ""], Float64[np.ndarray, ""], Float64[np.ndarray, " s"]]:
    """Lengthscales `[num_features]`, signal and noise variances, and shape parameters, from what a user gave.

    Raises:
        ValueError: wrong shapes, or values out of their ranges.
    """
    lengthscales, shape = as_numbers("lengthscales", lengthscales), as_numbers("shape", shape)
    if lengthscales.shape not in ((), (num_features,)):
        raise ValueError(f"lengthscales must be one or {num_features} numbers, got shape {lengthscales.shape}")
    if shape.shape != (num_shapes,):
        raise ValueError(f"shape must hold {num_shapes} numbers for this kernel, got shape {shape.shape}")
    signal_std, noise_std = as_numbers("signal_std", signal_std), as_numbers("noise_std", noise_std)
    if signal_std.shape or noise_std.shape:
        raise ValueError(f"signal_std and noise_std must be numbers, got shapes {signal_std.shape}, {noise_std.shape}")
    positive = np.concatenate([lengthscales.ravel(), shape, [signal_std]])
    if not (np.all((positive > 0) & (positive < np.inf)) and 0 <= noise_std < np.inf):
        raise ValueError("lengthscales, shape, signal_std and noise_std must be finite and positive (noise may be 0)")
    variances = (np.asarray(std**2) for std in (signal_std, noise_std))
    return np.broadcast_to(lengthscales, num_features).copy(), *variances, shape


def mean_array(parameters: Any, num_parameters: int) -> Float64[np.ndarray, " q"]:
    """What a mean function learns, `[num_parameters]`, from what a user gave.

    Raises:
        ValueError: another shape, or values that are not finite or exceed 1e30 in magnitude.
    """
    parameters = as_numbers("mean_parameters", parameters)
    if parameters.shape != (num_parameters,):
        raise ValueError(
            f"mean_parameters must hold {num_parameters} numbers for this mean, got shape {parameters.shape}"
        )
    return _usable("mean_parameters", parameters)


def _matrix(name: str, values: Any) -> np.ndarray:
    values = as_numbers(name, values)
    if values.ndim != 2:
        hint = f": {name}[:, None] is one feature, {name}[None, :] one point" if values.ndim == 1 else ""
        raise ValueError(f"{name} must be a matrix with one point a row, got shape {values.shape}{hint}")
    return values


def _usable(name: str, values: np.ndarray) -> np.ndarray:
    is_bad = ~(np.abs(values) <= _LARGEST)  # NaN compares false
    if np.any(is_bad):
        place = tuple(int(i) for i in np.argwhere(is_bad)[0])
        raise ValueError(
            f"{name} must be finite and at most {_LARGEST:g} in magnitude, got {values[place]} at index {place} "
            f"({np.count_nonzero(is_bad)} such value(s) of {values.size})"
        )
    return values
