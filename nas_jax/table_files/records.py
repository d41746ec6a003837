"""What every form of a table's file comes to, and what is wrong with a file that comes to nothing."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple


class Records(NamedTuple):
    """Rows of named cells: text in files of text, whatever the others hold.

    `lines` are the lines on which the rows begin, from 1; empty where the form has no lines. `unreadable` are columns
    whose cells could not be read and are None, each with the reason, which goes on after the file's name.
    """

    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]
    lines: Sequence[int] = ()
    notes: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = MappingProxyType({})


class MalformedTableError(ValueError):
    """What is wrong with a file, and where. Its message goes on after the file's name: "has no rows"."""


def listed(names: Sequence[str]) -> str:
    """Names of columns for a message of one line; in quotes where they would be misread."""
    return ", ".join(name if name.isprintable() and name == name.strip() != "" else repr(name) for name in names)


def columns_of(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names in the order in which they first come up."""
    return tuple(dict.fromkeys(name for row in rows for name in row))
