"""Columns of a table as genes: which cells are the same choice, and whether the choices are numbers.

What is read writes back the same. A column is of numbers if each of its cells states one and no number is written in
two ways; then its choices have an order. Each choice is the number where every number, written as Python does, is what
the file has, and else the file's text: `1e-3` and `1.50` keep their place between other numbers and their form. Zeros
in front make a name of a number (`0012`), and whole numbers of any size are exact. All other columns are of names,
which are the same if they are letter by letter.
"""

import json
import math
import re
from collections.abc import Hashable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from nas_jax.tables import Table

_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_SPACES = " \t"
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:([,.' \u00a0\u2009\u202f])[0-9]{3})(?:\1[0-9]{3})*(?:[.,][0-9]+)?")
# Columns that number the rows: nameless, or as pandas and Arrow call what has no name.
_NAMELESS = re.compile(r"\s*|Unnamed: \d+(_level_\d+)?|__index_level_\d+__")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


class Column(NamedTuple):
    """The cells of a column, compared as genes are.

    Two cells are the same choice if their keys are equal.
    """

    keys: tuple[Hashable, ...]  # row by row
    choices: tuple[Any, ...]  # in order; numbers before other text
    is_numeric: bool

    def key(self, value: Any) -> Hashable:
        """The key of a value from elsewhere; that of no cell if it is none of this column's."""
        return quantity(value) if self.is_numeric else text_of(value)


def column_of(cells: Sequence[Any]) -> Column:
    """What the cells of a column, or the choices of a gene, are."""
    texts = [cell if type(cell) is str else text_of(cell) for cell in cells]
    cell_of = dict(zip(texts, cells, strict=True))
    quantities = {text: quantity(cell) for text, cell in cell_of.items()}
    num_written = len({text.strip(_SPACES) for text in texts})
    is_numeric = None not in quantities.values() and len(set(quantities.values())) == num_written
    if is_numeric:
        keys: dict[str, Any] = quantities
        choices = _numbers(cell_of, quantities)
    else:
        keys = {text: text for text in texts}
        choices = _names(cell_of, quantities)
    return Column(tuple([keys[text] for text in texts]), choices, is_numeric)


@cache
def read_column(table: Table, name: str) -> Column:
    """The column of a table; a record that lacks it has null there."""
    return column_of([row.get(name) for row in table.rows])


def _numbers(cell_of: dict[str, Any], quantities: dict[str, Any]) -> tuple[Any, ...]:
    """The different numbers, in their order: as numbers if all write back, else as the file has them."""
    text_of_number = {quantities[text]: text.strip(_SPACES) for text in cell_of}
    write_back = all(str(value) == text for value, text in text_of_number.items())
    return tuple(value if write_back else text_of_number[value] for value in sorted(text_of_number))


def _names(cell_of: dict[str, Any], quantities: dict[str, Any]) -> tuple[Any, ...]:
    """The different cells, what states a number first; those that JSON alone has (null, lists) as text."""
    numbers = sorted((text for text in cell_of if quantities[text] is not None), key=lambda t: (quantities[t], t))
    texts = [*numbers, *sorted(text for text in cell_of if quantities[text] is None)]
    values = [cell_of[text] if _is_plain(cell_of[text]) else text for text in texts]
    return tuple(values if len(set(values)) == len(values) else texts)  # Python takes 1 and True for equal


def _is_plain(cell: Any) -> bool:
    return isinstance(cell, str | bool | int) or (isinstance(cell, float) and math.isfinite(cell))


def text_of(value: Any) -> str:
    """A value as text: its own, or JSON; of whole numbers without a fraction."""
    if isinstance(value, str):
        return value
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, ensure_ascii=False, default=str)


def printable(value: Any) -> str:
    """A value in a line for a person: text that does not print is in quotes, with its characters escaped."""
    text = str(value)
    return text if text.isprintable() else json.dumps(text)


def is_nameless(column: str) -> bool:
    """Whether a column has no name that anyone gave it."""
    return _NAMELESS.fullmatch(column) is not None


def quantity(value: Any) -> int | float | None:
    """The number that a value states, exactly if it is whole; None if it is a name, or not finite."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        if isinstance(value, str):
            text = value.strip(_SPACES)
            if not _NUMBER.fullmatch(text):
                return None
            value = int(text) if _WHOLE.fullmatch(text) else float(text)
        elif isinstance(value, float) and value.is_integer():
            value = int(value)  # as JSON does, which has one kind of numbers
        return value if math.isfinite(value) else None
    except (ValueError, OverflowError):  # of more digits than Python reads, or than floating point holds
        return None


def column_notes(table: Table, name: str) -> Iterator[str]:
    """What a person should know of a column that is a gene: why numbers, or what looks like them, are names.

    And which cells of different kinds are one choice.
    """
    column = read_column(table, name)
    if column.is_numeric:
        return
    start = f"{table.path}: the column {name!r} is text without order"
    texts = {text_of(choice): quantity(choice) for choice in column.choices}
    numbers = {text: value for text, value in texts.items() if value is not None}
    others = [text for text in texts if text not in numbers]
    if twice := _twice(numbers):
        yield f"{start}, since {twice[0]!r} and {twice[1]!r} are one number in two writings, and count as two choices"
    elif others and len(numbers) * 2 >= len(texts):
        row = column.keys.index(others[0])
        yield f"{start}, because of {others[0]!r} in {table.place(row)}"
    grouped = [text for text in others if _GROUPED.fullmatch(text) or _DECIMAL_COMMA.fullmatch(text)]
    if grouped and len(grouped) + len(numbers) == len(texts):
        yield f"{start}: if {grouped[0]!r} is a number, write it as 1234.5, without separators of thousands"
    if twice := _twice({text: text.strip() for text in texts}):
        yield f"{table.path}: the column {name!r} has {twice[0]!r} and {twice[1]!r}, which count as two choices"
    cells = [row.get(name) for row in table.rows]
    quoted = {cell for cell in cells if isinstance(cell, str)}
    bare = [text_of(cell) for cell in cells if not isinstance(cell, str | int | float) or isinstance(cell, bool)]
    if both := [text for text in bare if text in quoted]:
        yield f'{table.path}: the column {name!r} has {both[0]} and "{both[0]}", which count as one choice'


def _twice(values: dict[str, Any]) -> list[str]:
    """The first two texts of equal value, if there are such."""
    first: dict[Any, str] = {}
    for text, value in values.items():
        if value in first:
            return [first[value], text]
        first[value] = text
    return []


def check_no_curve(table: Table, patterns: Sequence[str], gene_names: Sequence[str]) -> None:
    """Raises ValueError if a gene is the column of a curve at no whole number: no budget is half an epoch."""
    for pattern in patterns:
        for name, place in table.unnumbered(pattern).items():
            if name in gene_names:
                raise ValueError(
                    f"the column {name!r} of {table.path} has {place} in place of the {{}} of {pattern!r}, which "
                    "stands for a whole number: name the columns in a smaller unit, or leave this one out by exclude"
                )
