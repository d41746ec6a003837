"""What random search would have found, estimated from the trials of a search that were drawn at random."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from nas_jax.objectives import Objective
from nas_jax.record import is_in_full
from nas_jax.report.subject import Subject

_MIN_RANDOM = 4  # random trials without which there is no reference


class Reference(NamedTuple):
    """The values of the trials that stand for random search, and what these trials are."""

    scores: Float[np.ndarray, " m"]
    description: str


class Expectation(NamedTuple):
    """What random search may expect after 1, ..., n trials; where that rests on fewer draws than it speaks of."""

    best: Float[np.ndarray, " n"]
    is_extrapolated: Bool[np.ndarray, " n"]


def random_reference(subject: Subject, objective: Objective) -> Reference | None:
    """The trials of the search that owe nothing to earlier ones; None where they are not known, or too few.

    None as well where some trials had less than the largest budget.
    """
    num = min(subject.num_random, len(subject.searched))
    if not all(is_in_full(subject.searched)):  # those that were trained in full were chosen
        return None
    scores = subject.feasible_scores(objective)[: int(num)]
    scores = scores[~np.isnan(scores)]
    if num == len(subject.searched):
        description = "all trials of this search, which are random"
    else:
        description = "the initial trials, which the strategy drew at random before it asked the surrogate"
    return Reference(scores, f"{description} ({len(scores)})") if len(scores) >= _MIN_RANDOM else None


def expected_best(scores: Float[np.ndarray, " m"], num: int) -> Float[np.ndarray, " num"]:
    """The expected maximum of 1, ..., `num` draws, with replacement, from the empirical distribution of `scores`.

    The sum over i of x_i ((i/m)^n - ((i-1)/m)^n), where x_1 <= ... <= x_m (Dodge et al., "Show Your Work: Improved
    Reporting of Experimental Results", EMNLP 2019, eq. 2-4). Never above the largest of `scores`, and biased downwards,
    the more so the more draws there are for each score.
    """
    m = len(scores)
    below = np.arange(m + 1) / m  # [m + 1]
    powers = below[None] ** np.arange(1, num + 1)[:, None]  # [num, m + 1]
    return np.diff(powers, axis=1) @ np.sort(scores)


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
