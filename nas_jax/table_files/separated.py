"""Cells with separators between them: CSV, as RFC 4180 has it, strictly.

The header names the columns; spaces around names do not count. Cells are kept as they are, line breaks within quotes
included. Lines before the header that begin with # are comments; a row below it that looks like one is refused, unless
all rows do, as where each begins with the code of a colour. Some may then have nothing in the first cell, as pandas
writes what is missing. Where the header has no comma, tabs or semicolons separate the cells.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence

from nas_jax.table_files.records import MalformedTableError, Records, listed

SEPARATORS = (",", "\t", ";")

_PREAMBLE = re.compile(r"(?:[ \t]*#[^\r\n]*(?:\r\n?|\n|\Z)|[ \t]*(?:\r\n?|\n))*")
_LINE_BREAK = re.compile(r"\r\n?|\n")
_HINT = re.compile(r"sep=(.)(?:\r\n?|\n)", re.IGNORECASE)  # Excel's
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_MAX_SHOWN = 60  # characters
_MAX_NOTES = 3


def read_separated(text: str, separators: Sequence[str] = SEPARATORS) -> Records:
    """Reads the text of a file.

    Args:
        separators: those that can be, the likely ones first: the first that the header has is the one.

    Raises:
        MalformedTableError: an open quote, a row that is longer or shorter than the header or commented out, two
            columns of one name, or none that has one; with the line.
    """
    if hint := _HINT.match(text):
        separators = (hint[1],)
    start = _PREAMBLE.match(text, hint.end() if hint else 0).end()  # type: ignore[union-attr]
    preamble, body = text[:start], text[start:]
    separator, header = _header(body, separators, _num_lines(preamble) + 1)
    # A file whose names all follow a space is written so throughout; such a space may come before a quote.
    is_spaced = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    rows = _rows(body, separator, is_spaced, _num_lines(preamble))
    names = _commented_header(preamble, header, separator)
    notes = [f"the names of its columns are those of the comment in line {_num_lines(preamble)}"] if names else []
    if not names:
        _, _, first, _ = next(rows, (0, 0, header, False))
        names = [name.strip() for name in first]
    if twice := {name for name in names if name and names.count(name) > 1}:
        raise MalformedTableError(f"names a column twice, {min(twice)!r}: {listed(names)}")
    if names and not any(names):
        raise MalformedTableError(f"has no name in its header, line {_num_lines(preamble) + 1}; name its columns there")
    if nameless := [place + 1 for place, name in enumerate(names) if not name]:
        places = ", ".join(map(str, nameless))
        notes.append(f"column {places} of {len(names)} has no name, and is left out")
    kept = [place for place, name in enumerate(names) if name]
    columns = tuple(names[place] for place in kept)
    records, lines = [], []
    commented: list[tuple[int, list[str]]] = []
    first_cells: list[str] = []
    for line, last, cells, is_commented in rows:
        if last > line and len(notes) < _MAX_NOTES and (note := _swallowed(line, cells, separator)):
            notes.append(note)
        if len(cells) != len(names):
            if not any(map(str.strip, cells)) and len(cells) == 1:
                continue  # a line of spaces
            raise MalformedTableError(_misfit(line, cells, names, separator))
        commented += [(line, cells)] if is_commented else []
        first_cells.append(cells[0].strip())
        records.append(dict(zip(columns, [cells[place] for place in kept] if nameless else cells, strict=True)))
        lines.append(line)
    if commented and not _begin_with_hashes(first_cells):
        line, cells = commented[0]
        raise MalformedTableError(
            f"has a row that begins with #, in line {line}: {_shown(separator.join(cells))}; remove the line if it is "
            "a comment, or put its first cell in quotes (pandas: to_csv(…, quoting=2))"
        )
    return Records(columns, records, lines, tuple(notes))


def _begin_with_hashes(cells: Sequence[str]) -> bool:
    """Whether the first cells of all rows begin with #, be it in quotes or not, or of most and the others are empty.

    Then it belongs to the values. Where another row begins with a value, nobody can tell such a row from one that was
    taken out: `conv` is a value as good as `#conv`, and so is nothing beside a mere `#`.
    """
    hashed, empty = [cell for cell in cells if cell.startswith("#")], cells.count("")
    is_of_values = all(cell.strip("# ") for cell in hashed) and len(hashed) > empty
    return len(hashed) + empty == len(cells) and (is_of_values or not empty)


def _rows(text: str, separator: str, skip_spaces: bool, num_before: int) -> Iterator[tuple[int, int, list[str], bool]]:
    """The rows, each with the lines on which it begins and ends, and whether it begins with # outside of quotes.

    Empty lines are left out.

    Args:
        num_before: lines of the file before the text.
    """
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=skip_spaces, strict=True)
    num_read = 0
    try:
        for cells in reader:
            if cells:
                is_commented = lines[num_read].lstrip(" \t").startswith("#")
                yield num_before + num_read + 1, num_before + reader.line_num, cells, is_commented
            num_read = reader.line_num
    except csv.Error as error:
        raise MalformedTableError(_quote_problem(num_before + num_read + 1, error)) from error


def _swallowed(line: int, cells: list[str], separator: str) -> str:
    """A note of a cell that goes over several lines: it is as it should be, or two quotes are missing."""
    suspects = [cell for cell in cells if separator in cell and _LINE_BREAK.search(cell)]
    if not suspects:
        return ""
    return (
        f"a cell of the row in line {line} has line breaks and {_name(separator)} in it: {_shown(suspects[0])}; if "
        "that is no single cell, a quote before it is missing or too many"
    )


def _header(text: str, separators: Sequence[str], line: int) -> tuple[str, list[str]]:
    """The separator, and the cells of the first row. Without any separator it is a table of one column."""
    problem: csv.Error | None = None
    found: list[tuple[str, list[str]]] = []
    for separator in separators:
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), [])
        except csv.Error as error:
            problem = problem or error
            continue
        if len(header) > 1:
            return separator, header
        found.append((separator, header))
    if not found:
        raise MalformedTableError(_quote_problem(line, problem))
    return found[0]


def _commented_header(preamble: str, first: list[str], separator: str) -> list[str]:
    """The names of the last comment, if the first row after it has numbers, and as many cells as it has names.

    So `numpy.savetxt` writes a header.
    """
    comments = [line.strip() for line in _LINE_BREAK.split(preamble) if line.strip()]
    if not comments or not comments[-1].startswith("#"):
        return []
    try:
        names = next(csv.reader([comments[-1].lstrip("# ")], delimiter=separator), [])
    except csv.Error:
        return []
    names = [name.strip() for name in names]
    is_header = len(names) == len(first) > 1 and any(map(_is_number, first)) and not any(map(_is_number, names))
    return names if is_header else []


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text.strip()) is not None


def _num_lines(text: str) -> int:
    """How many line breaks it has."""
    return sum(1 for _ in _LINE_BREAK.finditer(text))


def _quote_problem(line: int, error: csv.Error | None) -> str:
    if "unexpected end" in str(error):
        return f"has a quote that does not close, in the row that begins in line {line}; a quote in a cell is doubled"
    if "field limit" in str(error):
        return (
            f"has a cell of more than {csv.field_size_limit():,} characters in the row that begins in line {line}; "
            "does its quote close?"
        )
    return f"has a misplaced quote in the row that begins in line {line}: {error}; a quote in a cell is doubled"


def _misfit(line: int, cells: list[str], names: list[str], separator: str) -> str:
    amount = "more" if len(cells) > len(names) else "fewer"
    advice = "remove the line if it is a comment" if cells[0].startswith("#") else f"{_name(separator)} separate cells"
    return (
        f"has {amount} cells than columns in line {line}, {len(cells)} and {len(names)}: "
        f"{_shown(separator.join(cells))}; {advice}"
    )


def _name(separator: str) -> str:
    return {",": "commas", "\t": "tabs", ";": "semicolons"}.get(separator, repr(separator))


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…")
