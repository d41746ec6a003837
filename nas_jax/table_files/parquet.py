"""Parquet, through Apache Arrow."""

import io
from typing import Any

import pyarrow
from pyarrow import parquet

from nas_jax.table_files.records import MalformedTableError, Records, listed


def read_parquet(content: bytes) -> Records:
    """Reads the bytes of a file. Numbers, text, booleans and lists stay what they are; the rest becomes text.

    Raises:
        MalformedTableError: the file is damaged, names a column twice, or has times beyond those of Python.
    """
    try:
        table = parquet.read_table(io.BytesIO(content))
        names = table.column_names
        columns = [_cells(name, column) for name, column in zip(names, table.columns, strict=True)]
    except MalformedTableError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise MalformedTableError(f"is no Parquet that can be read: {' '.join(str(error).split())}") from error
    if twice := {name for name in names if names.count(name) > 1}:
        raise MalformedTableError(f"names a column twice, {min(twice)!r}: {listed(names)}")
    columns = [[_plain(cell) for cell in column] for column in columns]
    return Records(tuple(names), [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)])


def _cells(name: str, column: pyarrow.ChunkedArray) -> list[Any]:
    try:
        return column.to_pylist()
    except (OverflowError, ValueError) as error:
        if not pyarrow.types.is_temporal(column.type):
            raise
        raise MalformedTableError(
            f"has a time in the column {name!r} that Python cannot hold ({error}): leave the column out, or write it "
            "as text or as numbers"
        ) from error


def _plain(cell: Any) -> Any:
    if cell is None or isinstance(cell, str | bool | int | float | list | dict):
        return cell
    if isinstance(cell, bytes):
        try:
            return cell.decode()
        except UnicodeDecodeError as error:
            raise MalformedTableError(f"has bytes that are no text: {cell[:20]!r}") from error
    return str(cell)
