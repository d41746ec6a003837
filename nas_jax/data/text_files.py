"""Files of text: what they say, and the rows of those with a class in each line."""

import csv
import io
import sys
from pathlib import Path
from typing import NamedTuple

from nas_jax.errors import UserError
from nas_jax.table_files.records import MalformedTableError
from nas_jax.table_files.text import decode

TABLES = (".tsv", ".csv")


class Lines(NamedTuple):
    texts: list[str]
    labels: list[str]


def read_text(file: Path) -> str:
    """The text of a file, line breaks as they are.

    Raises:
        UserError: it cannot be read, or is no text in UTF-8, nor in UTF-16 with a byte order mark.
    """
    try:
        return decode(file.read_bytes())
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    except MalformedTableError as error:
        raise UserError(f"{file} {error}") from error


def read_lines(file: Path, label: int | str, text: int | str) -> Lines:
    """The labels and texts of a table's rows: `label` and `text` are columns by number, or by the names of a header.

    Raises:
        UserError: the file is no such table: its suffix, a quote that is never closed, rows of different lengths, no
            rows, or a row without a label; says in which row. Or a column is not there.
    """
    rows = _rows(file)
    if not rows:
        raise UserError(f"{file}: has no rows")
    (_, first), has_header = rows[0], isinstance(label, str) or isinstance(text, str)
    places = [_place(file, first, column) for column in (label, text)]
    if places[0] == places[1]:
        problem = f"columns {label!r} and {text!r} are one" if len(first) > 1 else "it has one column"
        raise UserError(
            f"{file}: a label and a text are wanted, and {problem}; values are between {_separator(file)[1]}, and "
            "data.label and data.text say in which columns"
        )
    lines = Lines([], [])
    for number, row in rows[has_header:]:
        if len(row) != len(first):
            raise UserError(
                f"{file}: row {number} has {len(row)} columns, and row {rows[0][0]} has {len(first)}; values are "
                f"between {_separator(file)[1]}"
            )
        if not row[places[0]].strip():
            raise UserError(f"{file}: row {number} has no label")
        lines.labels.append(row[places[0]].strip())
        lines.texts.append(row[places[1]].strip())
    if not lines.texts:
        raise UserError(f"{file}: has no rows but its header")
    return lines


def _rows(file: Path) -> list[tuple[int, list[str]]]:
    """The rows with their numbers, from 1; empty ones are left out."""
    separator, _ = _separator(file)
    text = io.StringIO(read_text(file), newline="")
    if separator == "\t":  # quotes are characters like others there
        reader = csv.reader(text, delimiter=separator, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(text, delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    number, limit = 0, csv.field_size_limit(sys.maxsize)  # of this process; a text may have any length
    try:
        for number, row in enumerate(reader, start=1):
            if any(cell.strip() for cell in row):
                rows.append((number, row))
    except csv.Error as error:
        raise UserError(
            f"{file}: row {number + 1} has a quote that is not closed, or one within a value; write a quote within a "
            'value twice, "", and the value between quotes'
        ) from error
    finally:
        csv.field_size_limit(limit)
    return rows


def _separator(file: Path) -> tuple[str, str]:
    """What is between the values of a file, and the word for it."""
    suffix = file.suffix.lower()
    if suffix not in TABLES:
        raise UserError(f"{file}: is neither .tsv, with tabs between values, nor .csv, with commas; rename it")
    return ("\t", "tabs in .tsv") if suffix == ".tsv" else (",", "commas in .csv")


def _place(file: Path, first: list[str], column: int | str) -> int:
    """Where a column is, from 0."""
    if isinstance(column, str):
        names = [name.strip() for name in first]
        if names.count(column) == 1:
            return names.index(column)
        problem = "twice in" if column in names else "not in"
        raise UserError(f"{file}: the column {column!r} is {problem} its header; it has {', '.join(names)}")
    if not -len(first) <= column < len(first):
        raise UserError(f"{file}: there is no column {column}, row 1 has {len(first)}; set data.label, data.text")
    return column % len(first)
