"""Flags of a config's fields, with values of all kinds: a run's parts, or one line."""

import random
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from command_line import config_flag, config_of
from outcomes import Outcomes

from nas_jax.config import PARTS
from nas_jax.parts import build_parts

# No large whole numbers that memory would be asked for.
VALUES = (
    *(
        "",
        "0",
        "1",
        "2",
        "-1",
        "3.5",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "99999999999999999999999",
        "true",
        "None",
        "x",
        "'x'",
    ),
    *("()", "(1,)", "(3,5)", "[1,2]", "('a',)", "{}", "{'name':'chain'}", "(1,", "é", "=", "a.b.c", "..", "__main__.x"),
    *("chain", "bayesopt", "random_forest", "gaussian_process", "tabular", "ranks", "scores", "auto", "calibrated"),
)
PLAIN = ("1", "2", "3", "0.5", "true", "false", "None", "ranks", "chain", "training")


def fuzz_overrides(num: int, seed: int, outcomes: Outcomes) -> None:
    """Tries one to three overrides at a time, `num` times."""
    rng = random.Random(seed)
    config = config_flag("quickstart.py:smoke")
    names = [
        *_fields(config_of(config)),
        *PARTS,
        "seed.x",
        "nix",
        "space.nix",
        "search",
        "",
        "space..name",
        "stages[0]",
    ]
    for _ in range(num):
        overrides = [
            f"--config.{rng.choice(names)}={rng.choice(rng.choice((VALUES, PLAIN)))}"
            for _ in range(rng.choice((1, 1, 1, 2, 3)))
        ]
        outcomes.add(partial(_build, config, *overrides), f"flags {overrides}")


def _build(*arguments: str) -> None:
    build_parts(config_of(*arguments), Path("/nonexistent"))


def _fields(section: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _fields(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
