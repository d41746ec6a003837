"""Markdown that data cannot break: escaped text, tables, settings."""

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def escape(text: str) -> str:
    """Text as one line that Markdown and HTML print as it is, in a table as well."""
    line = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table. Every cell is escaped."""
    lines = (header, ["---"] * len(header), *([escape(cell) for cell in row] for row in rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def yaml(values: Mapping[str, Any], indent: str = "") -> str:
    """Sections by indentation; leaves as JSON, whose strings hold no line breaks and so cannot end the block."""
    return "\n".join(
        f"{indent}{name}:\n{yaml(value, indent + '  ')}"
        if isinstance(value, Mapping) and value
        else f"{indent}{name}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in values.items()
    )
