"""The words that every other module speaks: a genome, a trial of it, the history of a search.

A genome is plain data (nested tuples of strings and numbers), so it hashes, compares, and goes to JSON and
back without help from the space that drew it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

Genome: TypeAlias = tuple[Any, ...]
Status: TypeAlias = Literal["pending", "finished", "failed"]
Stage: TypeAlias = Literal["search", "final", "baseline", "random", "reference"]
FailureKind: TypeAlias = Literal["error", "non_finite", "out_of_memory", "time_limit", "worker_lost", "node_lost"]

# What finalists are compared with, trained as they are, by the stage of the trial.
BASELINES: dict[Stage, str] = {
    "baseline": "best of the search",
    "random": "best of its random trials",
    "reference": "reference network",
}
FULL: tuple[Stage, ...] = ("final", *BASELINES)
CONTENDERS: tuple[Stage, ...] = ("final", "baseline", "random")  # what may win: all that the search found


class Prediction(NamedTuple):
    """What the surrogate said of a genome before it was measured, in units of the score."""

    mean: float
    std: float


@dataclass(frozen=True)
class Trial:
    """One genome, measured once. A later trial with the same id replaces an earlier one.

    `metrics` is None until the trial has finished; `failure` says in what way it failed and `error` why. `seconds`
    splits the time into "compile" and "train". `seed` is all the randomness of the measurement. `num_attempts` counts
    how often it was begun in the process that ended it: more than once where machines failed.
    """

    id: int
    genome: Genome
    description: str
    stage: Stage
    seed: int
    status: Status = "pending"
    metrics: dict[str, Any] | None = None
    seconds: dict[str, float] | None = None
    prediction: Prediction | None = None
    error: str | None = None
    failure: FailureKind | None = None
    num_attempts: int = 1


class History(NamedTuple):
    """What a strategy may know of the past: no metrics, only scores (higher is better)."""

    genomes: tuple[Genome, ...]  # finished, in the order of their ids
    scores: np.ndarray  # [n], float64, of `genomes`
    failed: tuple[Genome, ...]
    pending: tuple[Genome, ...]

    @property
    def known(self) -> frozenset[Genome]:
        """Every genome that was ever handed out."""
        return frozenset(self.genomes + self.failed + self.pending)


def freeze(value: Any) -> Any:
    """Turns the lists of a JSON value into tuples, which makes a genome of it."""
    return (
        tuple(freeze(item) for item in value) if isinstance(value, Sequence) and not isinstance(value, str) else value
    )


def trial_to_json(trial: Trial) -> dict[str, Any]:
    prediction = trial.prediction and trial.prediction._asdict()
    return {**vars(trial), "prediction": prediction}


def trial_from_json(record: dict[str, Any]) -> Trial:
    """The trial of a record. Keys that this version does not know are left out."""
    known = {name: record[name] for name in Trial.__dataclass_fields__ if name in record}
    prediction = known.get("prediction")
    return Trial(
        **{
            **known,
            "genome": freeze(known["genome"]),
            "prediction": prediction and Prediction(**prediction),
        }
    )
