"""How good predictions were that were made before the trials were measured: these figures are of unseen data."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nas_jax.objectives import Objectives
from nas_jax.surrogates import metrics
from nas_jax.surrogates.base import as_posterior
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


def assess(trials: Iterable[Trial], objectives: Objectives) -> dict[str, Assessment]:
    """By metric of the objectives, the assessment of the predictions whose trials have values that can be compared.

    Those are of the largest budget that three genomes had: of several budgets, the longer training is the better one,
    which is no merit of a prediction. Empty where there are fewer than three.
    """
    predicted_trials = [trial for trial in trials if trial.predictions]
    compared = objectives.comparable(predicted_trials, fewest=_MIN_TRIALS)
    known = [(trial.predictions, values) for trial, values in compared]
    if not known:
        return {}
    predicted = np.array([predictions for predictions, _ in known])  # [n, k, 2]
    measured = np.array([values for _, values in known])  # [n, k]
    return {
        metric: _assess(predicted[:, place, 0], predicted[:, place, 1], measured[:, place])
        for place, metric in enumerate(objectives.metrics)
    }


def _assess(mean: Float[np.ndarray, " n"], std: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> Assessment:
    posterior = as_posterior(mean, std, np.float64)  # a loss may be larger than every float32
    return Assessment(
        num_predicted=len(values),
        tau=metrics.kendall_tau(mean, values),
        rho=metrics.spearman(mean, values),
        log_density=-metrics.nlpd(posterior, values),
        coverage=metrics.coverage(posterior, values),
    )
