"""Files of JSON of a run: read and checked against what is read of them, or refused in one line; logs of lines."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_jax.errors import UserError
from nas_jax.hints import check_type


def read_json(path: Path, hints: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The object in a file; its fields, as far as they are there, are of the types in `hints`.

    Raises:
        UserError: the file cannot be read, holds no JSON, no object, or a field of another type.
    """
    try:
        return check_object(json.loads(path.read_text(encoding="utf-8")), hints or {})
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, other fields
        raise UserError(f"{str(path)!r} is damaged: {describe_json_error(error)}; {REMEDY}") from error


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Appends a line of JSON to a log; one that is torn, as by a kill or a full disk, ends before it."""
    with path.open("ab+", buffering=0) as file:
        if file.seek(0, 2):
            file.seek(-1, 2)
        start = b"" if file.read(1) in (b"", b"\n") else b"\n"
        file.write(start + json.dumps(record).encode() + b"\n")


REMEDY = "bring back an earlier copy of it, or run again in another --workdir"


def check_object(value: Any, hints: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The value, if it is an object with the `required` fields, whose fields are of the types in `hints`.

    Raises:
        ValueError: it is not.
    """
    check_type(value, dict[str, Any], "what it holds")
    for name in required:
        if name not in value:
            raise ValueError(f"{name!r} is missing")
    for name, hint in hints.items():
        if name in value:
            check_type(value[name], hint, repr(name))
    return value


def describe_json_error(error: ValueError | RecursionError) -> str:
    """What is wrong with a text that should be JSON."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"it is no valid JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
