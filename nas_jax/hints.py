"""Whether a value that came from a file or a flag is of the type that a field has been given."""

import math
import reprlib
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from nas_jax.errors import UserError

_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "nothing",
}


def hints_of(make: Any, title: str) -> dict[str, Any]:
    """The types of the fields of a class.

    Raises:
        UserError: they name what does not exist; the message begins with `title`.
    """
    try:
        return get_type_hints(make)
    except Exception as error:  # a hint in quotes is evaluated, and can be anything
        raise UserError(f"{title}: the types of its fields cannot be read: {error}") from error


def check_type(value: Any, hint: Any, title: str) -> None:
    """Raises ValueError, in a line that begins with `title`, where `value` is not of the type.

    Checked are the types that JSON and flags have: truth, numbers, text, lists and mappings of them, literals, and
    alternatives. Anything fits any other type. A whole number is a number too.
    """
    if not _fits(value, hint):
        raise ValueError(f"{title}: must be {describe_type(hint)}, but is {reprlib.repr(value)}")


def python_value(value: Any) -> Any:
    """A number, bool or text of NumPy as Python's own, which JSON has too; anything else as it is."""
    if isinstance(value, np.floating):
        return float(value)
    return value.item() if isinstance(value, np.generic) else value


def python_values(value: Any) -> Any:
    """As `python_value`, within tuples too."""
    return tuple(map(python_values, value)) if isinstance(value, tuple) else python_value(value)


def check_finite(value: Any, title: str) -> None:
    """Raises ValueError, in a line that begins with `title`, where `value` is no number, infinite or NaN."""
    check_type(value, float, title)
    if not math.isfinite(value):
        raise ValueError(f"{title}: must be a finite number, but is {value}")


def describe_type(hint: Any) -> str:
    """A type in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint in _NAMES:
        return _NAMES[hint]
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in (Union, types.UnionType):
        return " or ".join(describe_type(each) for each in inner)
    if _is_list(origin or hint):
        num = f" of {len(inner)} entries" if inner and Ellipsis not in inner else ""
        return f"a list{num}" + (f", each entry {describe_type(inner[0])}" if inner and inner[0] in _NAMES else "")
    if _is_mapping(origin or hint):
        return "a mapping"
    return getattr(hint, "__name__", str(hint))


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is float:
        return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and _is_small(value))
    if hint in _NAMES:
        return isinstance(value, hint) and (hint is not int or not isinstance(value, bool))
    if origin is Literal:
        return any(value is each or (type(value) is type(each) and value == each) for each in inner)
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    return _fits_container(value, origin or hint, inner)


def _is_small(value: int) -> bool:
    """Whether a whole number is within the range of floats."""
    return abs(value) <= sys.float_info.max


def _fits_container(value: Any, kind: Any, inner: tuple[Any, ...]) -> bool:
    if _is_list(kind):
        return _fits_list(value, kind, inner)
    if _is_mapping(kind):
        return isinstance(value, Mapping) and (
            not inner or all(_fits(name, inner[0]) and _fits(each, inner[1]) for name, each in value.items())
        )
    return True


def _fits_list(value: Any, kind: Any, inner: tuple[Any, ...]) -> bool:
    if not isinstance(value, tuple | list):
        return False
    if kind is tuple and inner and Ellipsis not in inner:
        return len(value) == len(inner) and all(map(_fits, value, inner))
    return not inner or all(_fits(each, inner[0]) for each in value)


def _is_list(kind: Any) -> bool:
    return isinstance(kind, type) and kind is not str and issubclass(kind, tuple | list | Sequence)


def _is_mapping(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Mapping)
