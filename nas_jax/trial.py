"""The words that every other module speaks: a genome, a trial of it, the history of a search.

A genome is plain data (nested tuples of strings and numbers), so it hashes, compares, and goes to JSON and
back without help from the space that drew it.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias, get_type_hints

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


class Budget(NamedTuple):
    """What a measurement may spend. A trial without one has the full budget, which is the recipe's."""

    epochs: int


class Prediction(NamedTuple):
    """What a surrogate says of an objective before a measurement, in units of its value: higher is better."""

    mean: float
    std: float


@dataclass(frozen=True)
class Trial:
    """One genome, measured once. A later trial with the same id replaces an earlier one.

    `metrics` is None until the trial has finished; `failure` says in what way it failed and `error` why. `seconds`
    splits the time into "compile" and "train". `seed` is all the randomness of the measurement. `predictions` has one
    for each objective, or none. `num_attempts` counts how often the trial was begun in the process that ended it: more
    than once where machines failed. `continues` is the id of the trial whose training it takes further; its seed is the
    same, and `start` is the budget of that one.
    """

    id: int
    genome: Genome
    description: str
    stage: Stage
    seed: int
    status: Status = "pending"
    metrics: dict[str, Any] | None = None
    seconds: dict[str, float] | None = None
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None
    failure: FailureKind | None = None
    num_attempts: int = 1
    budget: Budget | None = None
    continues: int | None = None
    start: Budget | None = None


def copy_of(trial: Trial) -> Trial:
    """The same trial, of which metrics and seconds can be changed without those of the first one."""
    return replace(trial, metrics=copy.deepcopy(trial.metrics), seconds=copy.deepcopy(trial.seconds))


class History(NamedTuple):
    """What a strategy may know of the past: no metrics, only the values of the objectives (higher is better).

    One that was made by hand may leave out the fields from `violations` on; `checked_history` fills them.
    """

    ids: tuple[int, ...]  # of the finished trials, ascending
    places: tuple[int, ...]  # of the finished trials among all, in the order in which they were proposed, from 0
    genomes: tuple[Genome, ...]  # of the finished trials
    values: np.ndarray  # [n, k], float64: of the finished trials, k objectives
    budgets: tuple[Budget | None, ...]  # of the finished trials
    failed: tuple[Genome, ...]
    pending: tuple[Genome, ...]
    violations: np.ndarray = np.zeros((0, 0))  # [n, c]: by how much each of c constraints is broken; <= 0 is kept
    curves: tuple[np.ndarray, ...] = ()  # of the finished trials [t, k]: values at each budget so far; t = 0: unknown
    pending_budgets: tuple[Budget | None, ...] = ()

    @property
    def known(self) -> frozenset[Genome]:
        """Every genome that was ever handed out."""
        return frozenset(self.genomes + self.failed + self.pending)

    @property
    def scores(self) -> np.ndarray:
        """The values `[n]` of the one objective, for a strategy that has room for no more.

        Raises:
            ValueError: there are several objectives.
        """
        if self.values.shape[1] != 1:
            raise ValueError(f"there are {self.values.shape[1]} objectives, and this strategy has room for one")
        return self.values[:, 0]

    def of(self, values: np.ndarray) -> "History":
        """The same trials with other values `[n]`, of one objective alone."""
        return self._replace(values=np.reshape(values, (len(self.genomes), 1)))

    def keep(self, kept: Sequence[int], failed: tuple[Genome, ...]) -> "History":
        """Only those finished trials, by their rows in `values`, and `failed` in place of what failed."""
        rows = list(kept)
        return self._replace(
            ids=tuple(self.ids[row] for row in rows),
            places=tuple(self.places[row] for row in rows),
            genomes=tuple(self.genomes[row] for row in rows),
            values=self.values[rows],
            violations=self.violations[rows],
            budgets=tuple(self.budgets[row] for row in rows),
            curves=tuple(self.curves[row] for row in rows),
            failed=failed,
        )


def freeze(value: Any) -> Any:
    """Turns the lists of a JSON value into tuples, which makes a genome of it."""
    return (
        tuple(freeze(item) for item in value) if isinstance(value, Sequence) and not isinstance(value, str) else value
    )


# The types of a trial's fields in JSON.
TRIAL_HINTS: dict[str, Any] = {
    **get_type_hints(Trial),
    "metrics": dict[str, float | str | bool | list[Any] | dict[str, Any] | None] | None,
    "predictions": list[dict[str, float | None]],
    "budget": dict[str, int] | None,
    "start": dict[str, int] | None,
    "time": float,
}


def trial_to_json(trial: Trial) -> dict[str, Any]:
    budgets = {name: value and value._asdict() for name, value in (("budget", trial.budget), ("start", trial.start))}
    return {**vars(trial), "predictions": [each._asdict() for each in trial.predictions], **budgets}


def trial_from_json(record: dict[str, Any]) -> Trial:
    """The trial of a record. Keys that this version does not know are left out."""
    known = {name: record[name] for name in Trial.__dataclass_fields__ if name in record}
    budgets = {name: value and Budget(**value) for name in ("budget", "start") for value in [known.get(name)]}
    return Trial(
        **{
            **known,
            "genome": freeze(known["genome"]),
            "predictions": tuple(Prediction(**each) for each in known.get("predictions", ())),
            **budgets,
        }
    )
