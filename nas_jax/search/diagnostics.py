"""What a search knows of itself, round by round: how good its predictions were, and how it came to its proposals.

A prediction counts only if it was made before the trial was measured, so these figures are those of unseen data.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from nas_jax.assessment import Assessment, assess
from nas_jax.objectives import Objective
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Proposal


def make_recorder(
    path: Path, store: TrialStore, objective: Objective, show: Callable[[Assessment | None], None]
) -> Callable[[int, Sequence[Proposal], float], None]:
    """What `search` calls with each round: it writes the round to `path` and hands its assessment to `show`."""

    def record(position: int, proposals: Sequence[Proposal], seconds: float) -> None:
        assessment = assess(store.trials("search"), objective)
        record_round(path, position, proposals, seconds, assessment)
        show(assessment)

    return record


def record_round(
    path: Path, position: int, proposals: Sequence[Proposal], seconds: float, assessment: Assessment | None
) -> None:
    """Appends a round to the diagnostics, a file of JSON lines.

    A round has the `position` of its first trial in the search, what the strategy says of each proposal, the `seconds`
    that it took, and the assessment of all predictions until then.
    """
    line = {
        "position": position,
        "seconds": round(seconds, 4),
        "proposals": [dict(proposal.details) for proposal in proposals],
        "assessment": assessment
        and {name: value if math.isfinite(value) else None for name, value in assessment._asdict().items()},
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
