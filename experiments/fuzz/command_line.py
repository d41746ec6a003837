"""Flags as a command reads them, in this process."""

from pathlib import Path
from typing import Any

from absl import flags

from nas_jax.cli import parse_strictly
from nas_jax.config_flag import ConfigFlag

ROOT = Path(__file__).parents[2]


def config_of(*arguments: str) -> dict[str, Any]:
    """The complete config that the arguments of a command make.

    Raises:
        UserError: an argument is wrong.
    """
    flag_values = flags.FlagValues()
    flag = ConfigFlag(flag_values)
    parse_strictly(flag.take_parts(["command", *arguments]), flag_values)
    return flag.value.to_dict()


def config_flag(name: str) -> str:
    """The flag of a config of this repository."""
    return f"--config={ROOT}/configs/{name}"
