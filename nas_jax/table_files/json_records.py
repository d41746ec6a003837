"""Records in JSON: a list of them, an object of them, or one a line (JSON Lines).

A number that floating point cannot hold stays text, so that nothing is rounded; whole numbers have any size.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from nas_jax.table_files.records import MalformedTableError, Records, columns_of

KEY = "key"

_NUM_EXACT_DIGITS = 15  # of which every decimal number survives as a double


def read_json(text: str) -> Records:
    """A list of records, or an object that maps keys to records; the keys are then the column "key".

    Raises:
        MalformedTableError: no JSON, or another form of it.
    """
    try:
        content = _parse(text)
    except MalformedTableError as error:
        if "Extra data" in str(error) and _is_record(text.lstrip().split("\n", 1)[0]):
            raise MalformedTableError("has a record in each line: name it .jsonl, as JSON Lines") from error
        raise
    if isinstance(content, dict) and all(isinstance(record, dict) for record in content.values()):
        if renamed := [key for key, record in content.items() if record.get(KEY, key) != key]:
            raise MalformedTableError(f"has a record {renamed[0]!r} that has another {KEY!r} within: rename the latter")
        content = [{KEY: key, **record} for key, record in content.items()]
    elif not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        raise MalformedTableError("should be a list of records, or an object of them")
    return Records(columns_of(content), content)


def read_json_lines(text: str) -> Records:
    """A record a line; empty lines are left out.

    Raises:
        MalformedTableError: a line is no record; with its number.
    """
    rows, lines = [], []
    for number, line in _lines(text):
        try:
            record = _parse(line)
        except MalformedTableError as error:
            raise MalformedTableError(f"{error} (that is line {number} of the file)") from error
        if not isinstance(record, dict):
            raise MalformedTableError(f"should have a record in each line, {{…}}, and line {number} has none")
        rows.append(record)
        lines.append(number)
    return Records(columns_of(rows), rows, lines)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers. Only a line feed ends one: strings of JSON may hold other line breaks."""
    return ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def _is_record(line: str) -> bool:
    try:
        return isinstance(_parse(line), dict)
    except MalformedTableError:
        return False


def _parse(text: str) -> Any:
    try:
        content = json.loads(text, object_pairs_hook=_record, parse_float=_exact_float)
        if "\\ud" in text.lower():
            json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise MalformedTableError("has a string with half a character: \\ud… without its other half") from error
    except RecursionError as error:
        raise MalformedTableError("nests lists too deeply for a table") from error
    except MalformedTableError:
        raise
    except ValueError as error:  # also numbers of thousands of digits
        raise MalformedTableError(f"is no JSON: {error}") from error
    return content


def _record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedTableError(f"names {twice!r} twice in a record")
    return record


def _exact_float(text: str) -> float | str:
    value = float(text)
    is_short = len(text) <= _NUM_EXACT_DIGITS and "e" not in text.lower()
    is_exact = is_short or repr(value) == text or Decimal(text) == Decimal(repr(value))
    return value if is_exact else text
