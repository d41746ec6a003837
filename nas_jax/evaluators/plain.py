"""Metrics as plain data, which the trial log can hold: the numbers of NumPy, JAX and others become Python's own."""

import math
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class _HasArray(Protocol):
    """Numbers that become a NumPy array: those of NumPy, JAX and other libraries, scalars too."""

    def __array__(self) -> np.ndarray: ...


def plain_metrics(metrics: Any) -> dict[str, Any]:
    """The metrics, as someone gave them, with Python's numbers, lists and dictionaries in place of what equals them.

    They are a mapping. A metric is a number, numbers in a list, tuple or array (a curve, a value for each seed), or a
    mapping of such. The value of a metric itself may be a string as well (the name of a device), but not what is
    within a list or a mapping. What is masked is NaN.

    Raises:
        ValueError: a value that is no number, or a name that is no string, in one line that says which metric it is.
    """
    if not isinstance(metrics, Mapping):
        raise ValueError(f"metrics: {_article(metrics)} is no mapping of names to numbers")
    named = [(_name(name, "metrics"), value) for name, value in metrics.items()]
    return _distinct(
        [(name, str(value) if isinstance(value, str) else _plain(value, f"metric {name!r}")) for name, value in named],
        "metrics",
    )


def plain_seconds(seconds: Any) -> dict[str, float]:
    """As `plain_metrics`, of seconds, each of which is one number that is finite and not negative."""
    if not isinstance(seconds, Mapping):
        raise ValueError(f"seconds: {_article(seconds)} is no mapping of names to numbers")
    plain = _plain(seconds, "seconds")
    for name, value in plain.items():
        if isinstance(value, list | dict):
            raise ValueError(f"seconds, {name!r}: {_article(value)} is no number")
        if not 0 <= value < math.inf:
            raise ValueError(f"seconds, {name!r}: has to be finite and not negative, but is {value}")
    return {name: float(value) for name, value in plain.items()}


def _plain(value: Any, title: str) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return _plain_int(value, title)
    if isinstance(value, list | tuple):
        return [_plain(inner, title) for inner in value]
    if isinstance(value, Mapping):
        named = [(_name(name, title), inner) for name, inner in value.items()]
        return _distinct([(name, _plain(inner, f"{title}, {name!r}")) for name, inner in named], title)
    if isinstance(value, _HasArray) and not isinstance(value, type):
        return _plain_array(value, title)
    raise ValueError(f"{title}: {_article(value)} is no number")


def _plain_int(value: int, title: str) -> int:
    """Raises ValueError for an integer that is too large for a float, which nobody could compute with."""
    try:
        float(value)
    except OverflowError:
        raise ValueError(f"{title}: an integer of {value.bit_length()} bits is too large") from None
    return int(value)


def _plain_array(value: _HasArray, title: str) -> Any:
    """A number for an array without axes, else a list for each axis."""
    if isinstance(value, np.ma.MaskedArray):  # of which `asarray` gives what is below the mask
        value = np.ma.filled(value.astype(object), np.nan) if np.ma.is_masked(value) else value.data
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O":
            return _plain(array.tolist(), title)
        if array.dtype.kind in "cmMSU":  # which NumPy would cast, or which are text
            raise TypeError
        # Floats of all widths, bfloat16 too, are float64 exactly.
        return array.tolist() if array.dtype.kind in "biu" else array.astype(np.float64).tolist()
    except (TypeError, RuntimeError) as error:  # what libraries raise that cannot give an array
        raise ValueError(f"{title}: {_article(value)} is no number") from error


def _name(name: Any, title: str) -> str:
    """A name as a string; a number, as of an epoch or of a class, is a name as well."""
    if isinstance(name, str):
        return str(name)
    if isinstance(name, int | float | np.number | np.bool_):
        return str(_plain(name, title))
    raise ValueError(f"{title}: {_article(name)} is no name")


def _distinct(items: list[tuple[str, Any]], title: str) -> dict[str, Any]:
    distinct = dict(items)
    if len(distinct) < len(items):
        names = [name for name, _ in items]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{title}: {twice!r} is there twice, as a string and as a number")
    return distinct


def _article(value: Any) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
