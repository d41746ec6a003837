"""What a search notes of itself, round by round: how good its predictions were, and how it came to its proposals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas_jax.evaluators.base import Progress
from nas_jax.json_files import append_line
from nas_jax.listeners import Outcome, Round
from nas_jax.trial import Trial


@dataclass(frozen=True)
class Diagnostics:
    """A listener that appends each round to the file at `path`, as a line of JSON.

    A line has the `position` of the round's first trial, what the strategy says of each proposal, the `seconds` that it
    took, and by metric the assessment of all predictions until then, with null for what is not finite.
    """

    path: Path

    def round(self, round: Round) -> None:
        assessments = {metric: _finite(each._asdict()) for metric, each in round.assessments.items()}
        line = {
            "position": round.position,
            "seconds": float(f"{round.seconds:.4f}"),
            "proposals": [dict(proposal.details) for proposal in round.proposals],
            "assessments": assessments,
        }
        append_line(self.path, line)

    def begin(self, stage: str, num_trials: int | None, ended: Sequence[Trial]) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def trial(self, trial: Trial) -> None: ...

    def end(self, outcome: Outcome) -> None: ...


def _finite(values: Mapping[str, float | int]) -> dict[str, float | int | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
