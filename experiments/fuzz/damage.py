"""Texts, bytes and JSON values, damaged at random."""

import copy
import random
from typing import Any

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3,
    10**30,
    0.5,
    float("nan"),
    1e308,
    "",
    "x",
    "0",
    [],
    [1, "a"],
    {},
    {"name": "chain"},
    [[]],
)
PIECES = (
    b"",
    b"\0",
    b"\xff",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"-",
    b"9" * 30,
    b"null",
    b"NaN",
    b"\\u",
)


def damaged_bytes(rng: random.Random, content: bytes) -> bytes:
    """With one to three places cut, doubled or replaced."""
    for _ in range(rng.randint(1, 3)):
        start = rng.randint(0, len(content))
        stop = min(len(content), start + rng.choice((0, 1, 1, 4, 40, len(content))))
        middle = rng.choice((rng.choice(PIECES), content[start:stop] * 2, bytes([rng.randrange(256)])))
        content = content[:start] + middle + content[stop:]
    return content


def damaged_value(rng: random.Random, value: Any) -> Any:
    """A copy with one value within it replaced, removed or added."""
    value = copy.deepcopy(value)
    holder = value
    while isinstance(holder, dict | list) and holder:
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        inner = holder[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.8:
            holder = inner
            continue
        if rng.random() < 0.2:
            del holder[key]
        elif rng.random() < 0.1 and isinstance(holder, dict):
            holder["more"] = rng.choice(VALUES)
        else:
            holder[key] = rng.choice(VALUES)
        return value
    return rng.choice(VALUES)
