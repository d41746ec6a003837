"""What random search would have found, estimated from the trials of a search that were drawn at random."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from nas_jax.objectives import Objective
from nas_jax.record import is_in_full, score
from nas_jax.report.subject import Subject
from nas_jax.trial import Trial

_MIN_RANDOM = 4  # random trials without which there is no reference


class Reference(NamedTuple):
    """The values of the trials that stand for random search, and what these trials are."""

    scores: Float[np.ndarray, " m"]  # NaN of one that failed or broke a constraint: a draw of nothing
    description: str


class Expectation(NamedTuple):
    """What random search may expect after 1, ..., n trials; where that rests on fewer draws than it speaks of."""

    best: Float[np.ndarray, " n"]
    is_extrapolated: Bool[np.ndarray, " n"]


def random_draws(subject: Subject) -> list[Trial]:
    """The trials of the search that owe nothing to earlier ones and have ended; none where they are not known.

    None as well where some trials had less than the largest budget: those that were trained in full were chosen.
    """
    if not all(is_in_full(subject.searched)):
        return []
    first = subject.searched[: int(min(subject.num_random, len(subject.searched)))]
    return [trial for trial in first if trial.status != "pending"]


def random_reference(subject: Subject, objective: Objective) -> Reference | None:
    """The random draws by one objective; None where fewer than four of them have a value and keep the constraints."""
    draws = random_draws(subject)
    kept = [subject.objectives.is_feasible(trial) for trial in draws]
    scores = np.array([score(trial, objective) for trial in draws], np.float64)
    scores = np.where(kept, scores, np.nan)
    num_lost = int(np.isnan(scores).sum())
    if len(scores) - num_lost < _MIN_RANDOM:
        return None
    if subject.num_random >= len(subject.searched):
        description = "all trials of this search, which are random"
    else:
        description = "the initial trials, which the strategy drew at random before it asked the surrogate"
    lost = f", {num_lost} of them without a score that counts" if num_lost else ""
    return Reference(scores, f"{description} ({len(scores)}{lost})")


def expected_best(scores: Float[np.ndarray, " m"], num: int) -> Float[np.ndarray, " num"]:
    """The expected maximum of 1, ..., `num` draws, with replacement, from the empirical distribution of `scores`.

    The sum over i of x_i ((i/m)^n - ((i-1)/m)^n), where x_1 <= ... <= x_m (Dodge et al., "Show Your Work: Improved
    Reporting of Experimental Results", EMNLP 2019, eq. 2-4). Never above the largest of `scores`, and biased downwards,
    the more so the more draws there are for each score.

    Some scores may be NaN: a draw of such a one brings nothing. What is expected is then the maximum of draws that have
    brought something, and the sum runs over the others, divided by the probability of that, 1 - (f/m)^n.
    """
    m, known = len(scores), np.sort(scores[~np.isnan(scores)])
    below = np.arange(m - len(known), m + 1) / m  # [k + 1]
    powers = below[None] ** np.arange(1, num + 1)[:, None]  # [num, k + 1]
    return np.diff(powers, axis=1) @ known / (1 - powers[:, 0])


def expectation_of(reference: Reference, num: int) -> Expectation:
    """After 1, ..., `num` trials."""
    is_extrapolated = np.arange(1, num + 1) > len(reference.scores)
    return Expectation(expected_best(reference.scores, num), is_extrapolated)


def describe_reference(reference: Reference | None, num: int) -> str:
    """In words, for a picture of `num` trials."""
    if reference is None:
        return (
            f"Random search is not drawn: fewer than {_MIN_RANDOM} trials of this search are known to be random draws "
            "that were measured in full."
        )
    text = (
        "Random search is the expected best of as many draws, with replacement, from the scores of "
        f"{reference.description}."
    )
    if num > len(reference.scores):
        text += (
            f" It cannot exceed the best of these, so beyond {len(reference.scores)} draws (dots) it says too little "
            "of what more random trials would find."
        )
    return text
