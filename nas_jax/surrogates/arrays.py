"""Reads what a caller gives as numbers: as float64, or an error where NumPy would read something else into it.

NumPy drops masks, and so reads what was masked; it drops imaginary parts; and it takes text such as "12", dates and
spans of time for numbers.
"""

from collections.abc import Iterator
from typing import Any, SupportsFloat

import numpy as np
from jaxtyping import Float64

_UNREADABLE = (TypeError, ValueError, OverflowError, RuntimeError)  # of NumPy, and of arrays of other libraries


def as_numbers(name: str, values: Any) -> Float64[np.ndarray, "..."]:
    """A float64 array of its own, in C order, of what holds real numbers: lists, arrays of any library, tables.

    Integers, booleans (0 and 1) and floating-point numbers of any width and byte order will do, and objects that are
    such numbers. Whole numbers beyond 2^53 are rounded, as float64 has no more. `name` is what an error calls them.

    Raises:
        ValueError: masked entries, text, complex numbers, dates, spans of time, missing values, rows of different
            lengths, or anything else that is no array of real numbers.
    """
    array = refuse_misread(name, values)
    for place, value in _objects(array):
        if not _is_number(value):
            raise ValueError(f"{name} must hold numbers, got {_described(value)} at index {place}")
    if array.dtype.kind != "O" and not _is_real(array.dtype):
        raise ValueError(f"{name} must hold real numbers, got the type {array.dtype}")
    try:
        with np.errstate(over="ignore"):  # a wider type than float64 may become infinite
            return np.array(array, np.float64, order="C")
    except _UNREADABLE as error:
        raise _no_numbers(name, error) from error


def refuse_misread(name: str, values: Any) -> np.ndarray:
    """What NumPy makes of `values`, unless a conversion to float64 would then silently make numbers of no numbers.

    Raises:
        ValueError: masked entries, text, dates or spans of time; what NumPy cannot read at all.
    """
    _refuse_masked(name, values)  # while rows are apart: NumPy drops the masks of nested arrays
    try:
        array = np.asanyarray(values)
    except _UNREADABLE as error:
        raise _no_numbers(name, error) from error
    _refuse_masked(name, array)
    if array.dtype.kind in "USTmM":
        raise ValueError(f"{name} must hold numbers, got the type {array.dtype}: convert text and times yourself")
    for place, value in _objects(array):
        if isinstance(value, str | bytes | np.datetime64 | np.timedelta64 | np.ma.MaskedArray):
            raise ValueError(f"{name} must hold numbers, got {_described(value)} at index {place}: convert it yourself")
    return array


def _refuse_masked(name: str, values: Any) -> None:
    if isinstance(values, list | tuple):
        for value in values:
            _refuse_masked(name, value)
    elif isinstance(values, np.ma.MaskedArray) and np.any(np.ma.getmaskarray(values)):
        raise ValueError(
            f"{name} must have no masked entries, got {np.count_nonzero(np.ma.getmaskarray(values))}: leave their rows "
            "out of all arrays, or fill them"
        )


def _objects(array: np.ndarray) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Entries of an array of objects, with their places; none of any other array."""
    return np.ndenumerate(array) if array.dtype.kind == "O" else iter(())


def _is_number(value: Any) -> bool:
    """Whether an entry of an array of objects is one real number."""
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, np.dtype):
        return np.ndim(value) == 0 and _is_real(dtype)
    return isinstance(value, SupportsFloat)


def _is_real(dtype: np.dtype) -> bool:
    """Also of types of other libraries, such as bfloat16."""
    return np.can_cast(dtype, np.float64, "same_kind")


def _described(value: Any) -> str:
    is_short = value is None or isinstance(value, str | bytes)
    return repr(value)[:40] if is_short else f"an object of type {type(value).__name__}"


def _no_numbers(name: str, error: Exception) -> ValueError:
    return ValueError(f"{name} must be an array of numbers: {(str(error).splitlines() or [''])[0]}")
