"""Parquet, through Apache Arrow."""

import io
from typing import Any

import pyarrow
from pyarrow import parquet

from nas_jax.table_files.records import MalformedTableError, Records, listed

_ADVICE = "leave the column out, or write it as text or as numbers"


def read_parquet(content: bytes) -> Records:
    """Reads the bytes of a file. Numbers, text, booleans and lists stay what they are; the rest becomes text.

    A column with what Python cannot hold, such as a time after the year 9999, has no cells and a reason.

    Raises:
        MalformedTableError: the file is damaged, or names a column twice.
    """
    try:
        table = parquet.read_table(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise MalformedTableError(f"is no Parquet that can be read: {_line(error)}") from error
    names = table.column_names
    if twice := {name for name in names if names.count(name) > 1}:
        raise MalformedTableError(f"names a column twice, {min(twice)!r}: {listed(names)}")
    columns, unreadable = [], {}
    for name, column in zip(names, table.columns, strict=True):
        try:
            columns.append([_plain(cell) for cell in column.to_pylist()])
        except (pyarrow.ArrowException, OverflowError, ValueError) as error:
            columns.append([None] * len(column))
            unreadable[name] = _reason(name, column, error)
    rows = [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]
    return Records(tuple(names), rows, unreadable=unreadable)


def _reason(name: str, column: pyarrow.ChunkedArray, error: Exception) -> str:
    """Why a column cannot be read, as the end of a sentence."""
    what = "a time" if pyarrow.types.is_temporal(column.type) else "a value"
    return f"has {what} in the column {name!r} that Python cannot hold ({_line(error)}): {_ADVICE}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _plain(cell: Any) -> Any:
    if cell is None or isinstance(cell, str | bool | int | float | list | dict):
        return cell
    return cell.decode() if isinstance(cell, bytes) else str(cell)
