"""Parquet, through Apache Arrow."""

import io
from typing import Any

import pyarrow
from pyarrow import parquet

from nas_jax.table_files.records import MalformedTableError, Records, listed


def read_parquet(content: bytes) -> Records:
    """Reads the bytes of a file. Numbers, text, booleans and lists stay what they are; the rest becomes text.

    Raises:
        MalformedTableError: the file is damaged, or names a column twice.
    """
    try:
        table = parquet.read_table(io.BytesIO(content))
        names, columns = table.column_names, [column.to_pylist() for column in table.columns]
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise MalformedTableError(f"is no Parquet that can be read: {' '.join(str(error).split())}") from error
    if twice := {name for name in names if names.count(name) > 1}:
        raise MalformedTableError(f"names a column twice, {min(twice)!r}: {listed(names)}")
    columns = [[_plain(cell) for cell in column] for column in columns]
    return Records(tuple(names), [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)])


def _plain(cell: Any) -> Any:
    if cell is None or isinstance(cell, str | bool | int | float | list | dict):
        return cell
    if isinstance(cell, bytes):
        try:
            return cell.decode()
        except UnicodeDecodeError as error:
            raise MalformedTableError(f"has bytes that are no text: {cell[:20]!r}") from error
    return str(cell)
