"""How good predictions were that were made before the trials were measured: these figures are of unseen data."""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import numpy as np

from nas_jax.objectives import Objective
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
