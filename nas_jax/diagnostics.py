"""What a search knows of itself, round by round: how good its predictions were, and how it came to its proposals.

A prediction counts only if it was made before the trial was measured, so these figures are those of unseen data.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from nas_jax.objective import Objective
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Proposal
from nas_jax.surrogates import metrics
from nas_jax.surrogates.base import Posterior
from nas_jax.trial import Trial

_MIN_TRIALS = 3  # ranks of fewer say nothing


class Assessment(NamedTuple):
    """Predictions against measurements, over `num_predicted` trials."""

    num_predicted: int
    tau: float  # Kendall's, of means and scores
    rho: float  # Spearman's
    log_density: float  # mean log N(score; mean, std²), in nats: higher is better
    coverage: float  # of the central 95 % intervals

    def __str__(self) -> str:
        return (
            f"tau {self.tau:.2f}, rho {self.rho:.2f}, log density {self.log_density:.2f}, 95 % intervals cover "
            f"{100 * self.coverage:.0f} % of {self.num_predicted} predicted trials"
        )


def assess(trials: Iterable[Trial], objective: Objective) -> Assessment | None:
    """The assessment of all predictions whose trials have a score; None where they are fewer than three."""
    pairs = [(trial.prediction, objective.finite_score(trial)) for trial in trials if trial.prediction]
    known = [(*prediction, score) for prediction, score in pairs if prediction and score is not None]
    if len(known) < _MIN_TRIALS:
        return None
    mean, std, scores = np.array(known).T
    # Not jnp.asarray, which compiles a copy for each new number of trials.
    posterior = Posterior(*jax.device_put((mean.astype(np.float32), std.astype(np.float32))))
    return Assessment(
        num_predicted=len(known),
        tau=metrics.kendall_tau(mean, scores),
        rho=metrics.spearman(mean, scores),
        log_density=-metrics.nlpd(posterior, scores),
        coverage=metrics.coverage(posterior, scores),
    )


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
