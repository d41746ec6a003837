"""Benchmark tables: CSV or JSON files with a row for each architecture that somebody has measured."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from nas_jax.errors import UserError


class Table(NamedTuple):
    """Rows of named values: text in a CSV file, whatever a JSON file holds."""

    path: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]

    def check_columns(self, names: Sequence[str], title: str) -> None:
        """Raises a UserError that begins with `title` if a column is missing."""
        if missing := [name for name in names if name not in self.columns]:
            raise UserError(f"{title}: {self.path} has no column {missing[0]!r}; it has {', '.join(self.columns)}")


@cache
def read_table(path: str) -> Table:
    """Reads a table once a process.

    A CSV file has its columns' names in the first line. A JSON file is a list of records, or an object that maps keys
    to records; the keys are then the column "key".

    Raises:
        UserError: no such file, or a file of another form; says which.
    """
    if not path:
        raise UserError(
            "a table is needed: name a CSV or JSON file, for example with --config.evaluator.path=table.csv"
        )
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the table {path!r} cannot be read: {error}") from error
    rows = _json_rows(text, path) if Path(path).suffix.lower() == ".json" else _csv_rows(text, path)
    if not rows:
        raise UserError(f"the table {path!r} has no rows")
    return Table(path, tuple(dict.fromkeys(name for row in rows for name in row)), tuple(rows))


def _csv_rows(text: str, path: str) -> list[dict[str, Any]]:
    lines = csv.DictReader(text.splitlines(), restval="")
    names = lines.fieldnames or ()
    if len(set(names)) < len(names):
        raise UserError(f"the table {path!r} names a column twice: {', '.join(names)}")
    rows = list(lines)
    if any(None in row for row in rows):
        raise UserError(f"the table {path!r} has a row with more cells than columns")
    return rows


def _json_rows(text: str, path: str) -> list[dict[str, Any]]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"the table {path!r} is no JSON: {error}") from error
    if isinstance(content, dict) and all(isinstance(record, dict) for record in content.values()):
        return [{"key": key, **record} for key, record in content.items()]
    if isinstance(content, list) and all(isinstance(record, dict) for record in content):
        return content
    raise UserError(f"the table {path!r} should be a list of records, or an object of them")


def number(cell: Any) -> float | None:
    """The number in a cell, None where there is none that is finite."""
    if isinstance(cell, bool) or (isinstance(cell, str) and "_" in cell):  # float would take 1_6 for 16
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None
