"""Benchmark tables: files with a row for each architecture that somebody has measured."""

import hashlib
import importlib.util
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from nas_jax.errors import UserError
from nas_jax.table_files.json_records import KEY, read_json, read_json_lines
from nas_jax.table_files.records import MalformedTableError, Records, listed
from nas_jax.table_files.separated import read_separated
from nas_jax.table_files.text import decode, unpack

_PARQUET = b"PAR1"
PLACEHOLDER = "{}"  # in a pattern of columns, where each of them has a number


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of named cells: text in a CSV file, what they hold in others. A table equals itself alone.

    `digest` is the SHA-256 of the file, as `sha256sum` prints it. `lines` are those on which the rows begin, empty
    where the form has none. `notes` are lines for a person: what was left out, or looks wrong. `unreadable` are columns
    without cells, each with the reason.
    """

    path: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    digest: str = ""
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Callable[[str, str], "Table"], tuple[str, str]]:
        """Another process reads the file for itself."""
        return _same_table, (self.path, self.digest)

    def check_columns(self, names: Sequence[str], title: str) -> None:
        """Raises a UserError that begins with `title` if a column is missing or unreadable."""
        self.check_names(names, title)
        for name in names:
            if name in self.unreadable:
                raise UserError(f"{title}: {self.path} {self.unreadable[name]}")

    def check_names(self, names: Sequence[str], title: str) -> None:
        """Raises a UserError that begins with `title` if there is no such column."""
        if missing := [name for name in names if name not in self.columns]:
            advice = self._advice(missing[0])
            raise UserError(f"{title}: {self.path} has no column {missing[0]!r}; it has {listed(self.columns)}{advice}")

    def numbered(self, pattern: str) -> dict[int, str]:
        """The columns with a whole number in place of the `{}` of a pattern, by that number, ascending.

        `val_loss_{}` stands for val_loss_0, val_loss_200 and so on: the cells of a row are a learning curve.

        Raises:
            UserError: the pattern has not one `{}`, or two columns have the same number.
        """
        return _numbered(self, pattern)

    def unnumbered(self, pattern: str) -> dict[str, str]:
        """The columns with another number than a whole one in place of the `{}`, each with what stands there."""
        before, _, after = pattern.partition(PLACEHOLDER)
        places = {
            name: name[len(before) : len(name) - len(after)]
            for name in self.columns
            if name.startswith(before) and name.endswith(after)
        }
        return {name: place for name, place in places.items() if number(place) is not None and not place.isdecimal()}

    def place(self, row: int) -> str:
        """Where a row is in the file, for a message: "line 7"."""
        return f"line {self.lines[row]}" if self.lines else f"record {row + 1}"

    def _advice(self, missing: str) -> str:
        """What to do about a missing column, where the others say it."""
        if any(row.get(KEY) == missing for row in self.rows):
            return '; it seems to be written by columns: pandas writes records with to_json(orient="records")'
        if any(number(name) is not None for name in self.columns):
            return "; the first line should have the columns' names"
        if len(self.columns) == 1:
            return "; commas, tabs or semicolons should separate the columns"
        return ""


_TABLES: dict[tuple[str, str], Table] = {}  # that were read, by path and digest


def read_table(path: str, *, is_all_needed: bool = True) -> Table:
    """Reads a table; a file that has not changed gives the same object again.

    The file's name says what it holds: `.json` a list of records, or an object that maps keys to records, the keys
    being the column "key"; `.jsonl` and `.ndjson` a record a line; `.parquet` what it says; anything else CSV, see
    `nas_jax.table_files.separated`. Each may be packed by gzip.

    Args:
        is_all_needed: Whether every column is read. Who reads some of them checks those (`Table.check_columns`).

    Raises:
        UserError: no such file, a file of another form, or an unreadable column; says which, and where.
    """
    if not path:
        raise UserError(
            "a table is needed: name a CSV or JSON file, for example with --config.evaluator.path=table.csv"
        )
    file = Path(os.path.expanduser(path))
    if file.is_dir():
        raise UserError(f"the table {path!r} cannot be read: it is a folder; name a file")
    try:
        content = file.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"the table {path!r} cannot be read: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if (path, digest) not in _TABLES:
        try:
            records = _records(content, file.name)
            if not records.rows:
                raise MalformedTableError("has no rows" + (" below its header" if records.columns else ""))
        except MalformedTableError as error:
            raise UserError(f"the table {path!r} {error}") from error
        notes = tuple(f"{path}: {note}" for note in records.notes)
        _TABLES[path, digest] = Table(
            path, records.columns, tuple(records.rows), digest, tuple(records.lines), notes, records.unreadable
        )
    table = _TABLES[path, digest]
    if is_all_needed:
        for reason in table.unreadable.values():
            raise UserError(f"the table {path!r} {reason}")
    return table


def _same_table(path: str, digest: str) -> Table:
    table = read_table(path, is_all_needed=False)
    if table.digest != digest:
        raise UserError(f"the table {path!r} has changed since this program read it; start again")
    return table


def _records(content: bytes, name: str) -> Records:
    content = unpack(content)
    suffix = Path(re.sub(r"\.gz$", "", name, flags=re.IGNORECASE)).suffix.lower()
    if content.startswith(_PARQUET):
        return _parquet_records(content)
    if suffix in (".parquet", ".pq"):
        raise MalformedTableError("is no Parquet: it does not begin with PAR1")
    text = decode(content)
    if suffix == ".json":
        return read_json(text)
    if suffix in (".jsonl", ".ndjson"):
        return read_json_lines(text)
    if re.match(r'\s*(\{\s*"|\[\s*\{)', text):
        raise MalformedTableError("begins as JSON does: name it .json, or .jsonl if it has a record a line")
    return read_separated(text, ("\t",)) if suffix == ".tsv" else read_separated(text)


def _parquet_records(content: bytes) -> Records:
    if importlib.util.find_spec("pyarrow") is None:
        raise MalformedTableError("is Parquet, which needs Apache Arrow: pip install pyarrow")
    from nas_jax.table_files.parquet import read_parquet

    return read_parquet(content)


@cache
def _numbered(table: Table, pattern: str) -> dict[int, str]:
    if pattern.count(PLACEHOLDER) != 1:
        raise UserError(f"a curve has one {PLACEHOLDER} where its columns have a number, as val_loss_{{}}: {pattern!r}")
    expression = re.compile("([0-9]+)".join(map(re.escape, pattern.split(PLACEHOLDER))))
    found: dict[int, str] = {}
    for name in table.columns:
        if match := expression.fullmatch(name):
            if (place := int(match[1])) in found:
                raise UserError(f"{table.path}: the columns {found[place]!r} and {name!r} have the same number")
            found[place] = name
    return dict(sorted(found.items()))


def name_of(pattern: str) -> str:
    """What a learning curve is called: its pattern without the placeholder, `val_loss` of `val_loss_{}`."""
    return re.sub(r"[\W_]+", "_", pattern.replace(PLACEHOLDER, "")).strip("_")


def number(cell: Any) -> float | None:
    """The number in a cell, None where there is none that is finite."""
    if isinstance(cell, bool) or (isinstance(cell, str) and "_" in cell):  # float would take 1_6 for 16
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None
