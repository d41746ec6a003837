"""What a search noted of itself, round by round, as `nas_jax.diagnostics` wrote it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from nas_jax.assessment import Assessment
from nas_jax.errors import UserError


class Round(NamedTuple):
    """One call of the strategy: its first trial, how long it took, and how good predictions had been until then."""

    position: int
    seconds: float
    assessments: dict[str, Assessment]  # by metric of the objectives


def read_rounds(path: Path) -> list[Round]:
    """The rounds in the order in which they were; none where there is no file. A torn line is left out.

    Raises:
        UserError: a line is JSON, and no round.
    """
    if not path.exists():
        return []
    rounds = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        try:
            assessments = {name: Assessment(**_with_nans(each)) for name, each in record["assessments"].items()}
            rounds.append(Round(int(record["position"]), float(record["seconds"]), assessments))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise UserError(f"line {number} of {path} is damaged ({error}); remove the line") from error
    return rounds


def _with_nans(values: dict[str, Any]) -> dict[str, Any]:
    return {name: float("nan") if value is None else value for name, value in values.items()}
