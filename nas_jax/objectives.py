"""Metrics to values. The only module that knows that smaller can be better."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nas_jax.constraints import Constraint
from nas_jax.errors import UserError
from nas_jax.hints import check_finite, check_type, python_value
from nas_jax.metrics import check_name, curves_of, digits, is_of_test_split, is_smaller_better
from nas_jax.trial import Genome, History, Trial

NUM_FIRST = 8  # trials from which a reference point is inferred
_SHARE, _MARGIN = 0.25, 0.1  # of them that may lie below it, and the share of the rest's spread that is added


@dataclass(frozen=True)
class Objective:
    """A metric to make large, or small: its value is the metric with the sign with which higher is better.

    Args:
        reference: Of several objectives, the metric from which on a trial is worth something: the hypervolume is
            counted from there. Inferred from the first trials unless given.

    Raises:
        ValueError: an argument of another type, a reference that is not finite, or a metric that no search may have.
    """

    metric: str = "val_accuracy"
    maximize: bool = True
    reference: float | int | None = None

    def __post_init__(self) -> None:
        for name in ("metric", "maximize", "reference"):
            object.__setattr__(self, name, python_value(getattr(self, name)))
        check_type(self.metric, str, "metric")
        check_type(self.maximize, bool, "maximize")
        if self.reference is not None:
            check_finite(self.reference, "reference")
        check_name(self.metric, "metric")
        if is_of_test_split(self.metric):
            raise ValueError(
                f"metric: {self.metric!r} is of the test split, which no search may see; take one of 'val_…'"
            )

    @property
    def sign(self) -> int:
        """By which a metric is multiplied to give a value, and a value to give the metric."""
        return 1 if self.maximize else -1

    def value(self, metrics: Mapping[str, Any]) -> float:
        """The value of a finished trial's metrics; higher is better.

        Raises:
            UserError: the metric is not among them, or no number.
        """
        if self.metric not in metrics:
            raise UserError(f"objective.metric: no metric {self.metric!r}; there are {', '.join(sorted(metrics))}")
        if not isinstance(metrics[self.metric], int | float):
            raise UserError(f"objective.metric: {self.metric!r} is no number but {metrics[self.metric]!r}")
        return self.sign * float(metrics[self.metric])

    def finite_value(self, trial: Trial) -> float | None:
        """The value of a trial, None where it has none that is finite."""
        if trial.metrics is None or (self.metric not in trial.metrics and trial.metrics.get("is_infeasible") is True):
            return None  # of what broke a constraint by what is known before training, nothing else was measured
        value = self.value(trial.metrics)
        return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Objectives:
    """What a search maximises: whatever a strategy or a surrogate sees of a measurement comes from here.

    Args:
        constraints: What a trial has to keep to. A metric may be in an objective and in a constraint.
        known: Metrics that the space tells before any measurement, exactly.

    Raises:
        ValueError: there are no objectives, or a metric is there twice.
    """

    each: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    known: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for constraint in self.constraints:
            if is_of_test_split(constraint.metric):
                raise ValueError(f"constraints: {constraint.metric!r} is of the test split, which no search may see")
        metrics = [objective.metric for objective in self.each]
        if not metrics or len(set(metrics)) < len(metrics):
            raise ValueError(f"at least one metric is needed, and none twice; got {metrics}")

    @classmethod
    def of(cls, given: Any, constraints: Sequence[Constraint] = ()) -> "Objectives":
        """The objectives for which the name of a metric to make large stands, an `Objective`, or a list of such.

        Those of `Objectives` stay; constraints join its own.

        Raises:
            ValueError: anything else, a metric of the test split, none, or one that is there twice.
        """
        for constraint in constraints:
            if not isinstance(constraint, Constraint):
                raise ValueError(f"constraints: {constraint!r} is no Constraint")
        if isinstance(given, Objectives):
            return replace(given, constraints=(*given.constraints, *constraints))
        listed = given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
        for one in listed:
            if not isinstance(one, str | Objective):
                raise ValueError(f"objectives: {one!r} is neither the name of a metric nor an Objective")
        return cls(tuple(Objective(one) if isinstance(one, str) else one for one in listed), tuple(constraints))

    def __iter__(self) -> Iterator[Objective]:
        return iter(self.each)

    def __len__(self) -> int:
        return len(self.each)

    @property
    def notes(self) -> tuple[str, ...]:
        """Which metrics, by their names, are made large or small though the opposite is wanted (`nas_jax.notes`)."""
        return tuple(
            f"the search looks for the {'largest' if each.maximize else 'smallest'} {each.metric}; if wrong, set "
            f"--config.objective.maximize={not each.maximize}, or maximize={not each.maximize} in --config.objectives"
            for each in self.each
            if each.maximize is is_smaller_better(each.metric)
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(objective.metric for objective in self.each)

    @property
    def needed(self) -> tuple[str, ...]:
        """The metrics of the objectives and of the constraints, each once."""
        return tuple(dict.fromkeys((*self.metrics, *(constraint.metric for constraint in self.constraints))))

    @property
    def limits(self) -> str:
        """The constraints as a person reads them."""
        return " and ".join(map(str, self.constraints))

    def describe(self, metrics: Mapping[str, Any]) -> str:
        """The objectives' metrics as a person reads them."""
        return ", ".join(f"{metric} {digits(metrics[metric], metric)}" for metric in self.metrics)

    def values(self, trial: Trial) -> np.ndarray | None:
        """The values `[k]` of a trial, None where one of them is missing or not finite."""
        values = [objective.finite_value(trial) for objective in self.each]
        return None if None in values else np.array(values, np.float64)

    def is_left_out(self, trial: Trial) -> bool:
        """Whether a trial was not trained, since what is known before training breaks a constraint."""
        return (trial.metrics or {}).get("is_infeasible") is True and self.values(trial) is None

    def violations(self, trial: Trial) -> np.ndarray | None:
        """By how much a trial breaks each limit of the constraints `[c]`, see `Constraint`; None where that is unknown.

        Not positive where it keeps the limit.
        """
        if trial.metrics is None:
            return None
        is_unmeasured = any(name not in trial.metrics for name in self.needed)
        if is_unmeasured and trial.metrics.get("is_infeasible") is True:
            known = [each for each in self.constraints if each.metric in trial.metrics]
            broken = [max(each.violations(trial.metrics)) for each in known]
            return np.array([max(broken, default=math.inf)])  # nothing more is known of it
        broken = [each for constraint in self.constraints for each in constraint.violations(trial.metrics)]
        return np.array(broken, np.float64) if all(map(math.isfinite, broken)) else None

    def has_failed(self, trial: Trial) -> bool:
        """Whether a trial has ended without values."""
        return trial.status != "pending" and self.values(trial) is None

    def is_feasible(self, trial: Trial) -> bool:
        """Whether a trial was measured and keeps all constraints."""
        violations = self.violations(trial)
        return violations is not None and bool(np.all(violations <= 0))

    def reference(self, history: History) -> np.ndarray:
        """The point `[k]`, in values, from which the hypervolume is counted.

        What no objective gives is inferred from the finished trials with the eight lowest ids: from then on it stays
        what it is, once those that began with them have ended. Of no trials it is zero.
        """
        first = history.values[:NUM_FIRST]
        inferred = inferred_reference(first) if len(first) else np.zeros(len(self.each))
        given = [None if each.reference is None else each.sign * each.reference for each in self.each]
        return np.array([low if own is None else own for own, low in zip(given, inferred, strict=True)], np.float64)

    def history(self, trials: Iterable[Trial]) -> History:
        """The trials as a strategy may see them.

        A finished trial without finite values, or with a constraint of which nothing finite is known, counts as failed;
        so does one that was not trained because it breaks a limit, of whose other limits nothing is known.
        """
        ordered = sorted(trials, key=lambda trial: trial.id)
        broken = [self.violations(trial) for trial in ordered]
        num_limits = sum(constraint.num_limits for constraint in self.constraints)
        is_measured = [of_trial is not None and len(of_trial) == num_limits for of_trial in broken]
        valued = [
            (place, trial, self.values(trial) if is_measured[place] else None) for place, trial in enumerate(ordered)
        ]
        finished = [(place, trial, values) for place, trial, values in valued if values is not None]
        return History(
            ids=tuple(trial.id for _, trial, _ in finished),
            places=tuple(place for place, _, _ in finished),
            genomes=tuple(trial.genome for _, trial, _ in finished),
            values=np.array([values for _, _, values in finished], np.float64).reshape(-1, len(self.each)),
            violations=np.array([broken[place] for place, _, _ in finished], np.float64).reshape(
                len(finished), num_limits
            ),
            budgets=tuple(trial.budget for _, trial, _ in finished),
            curves=tuple(self.curve(trial) for _, trial, _ in finished),
            failed=tuple(t.genome for _, t, values in valued if values is None and t.status != "pending"),
            pending=tuple(trial.genome for trial in ordered if trial.status == "pending"),
            pending_budgets=tuple(trial.budget for trial in ordered if trial.status == "pending"),
        )

    def curve(self, trial: Trial) -> np.ndarray:
        """The values `[t, k]` of a trial at each budget that it passed; `[0, k]` where it has no curve of them all.

        A curve belongs to the training and not to the trial: where one continues another, it begins with the first
        epoch of the first.
        """
        curves = curves_of(trial.metrics)
        if not all(objective.metric in curves for objective in self.each):
            return np.zeros((0, len(self.each)))
        signs = [objective.sign for objective in self.each]
        return np.array([curves[objective.metric] for objective in self.each], np.float64).T * signs

    def front(self, trials: Iterable[Trial]) -> list[Trial]:
        """The feasible trials that no other one dominates: at least as good in every objective, and better in one.

        Of equals the first one stays, so that one objective has a front of one trial, its best. Only trials that are
        `comparable` are on it.
        """
        scored = [(trial, values) for trial, values in self.comparable(trials) if self.is_feasible(trial)]
        front: list[tuple[Trial, np.ndarray]] = []
        for trial, values in scored:
            if not any(np.all(other >= values) for _, other in front):
                front = [(kept, other) for kept, other in front if not np.all(values >= other)] + [(trial, values)]
        return [trial for trial, _ in front]

    def why_no_front(self, trials: Sequence[Trial]) -> str:
        """Why there is none of these trials, as a clause."""
        scored = [trial for trial in trials if self.values(trial) is not None]
        if not scored:
            return f"none of {len(trials)} trials has a score"
        if not self.comparable(trials):
            return f"all of the {len(scored)} trials that have a score failed with a larger budget"
        return f"none of the {len(scored)} trials that have a score keeps {self.limits}"

    def comparable(self, trials: Iterable[Trial], fewest: int = 1) -> list[tuple[Trial, np.ndarray]]:
        """The trials whose values may be compared, each with its values: those with the largest budget of all.

        After a part of a training a value says little of what the whole one gives. Trials without values are left out,
        and so is what failed with a larger budget (`without_failed_later`).

        Args:
            fewest: So many genomes have to have a budget, or the next smaller one counts; none where no budget does.
        """
        listed = list(trials)
        valued = {trial.id: values for trial in listed if (values := self.values(trial)) is not None}
        left = without_failed_later([trial for trial in listed if trial.id in valued], filter(self.has_failed, listed))
        nums = Counter(epochs for epochs, _ in {(epochs_spent(trial), trial.genome) for trial in left})
        largest = max((epochs for epochs, num in nums.items() if num >= fewest), default=None)
        return [(trial, valued[trial.id]) for trial in left if epochs_spent(trial) == largest]


def without_failed_later(trials: Sequence[Trial], failed: Iterable[Trial]) -> list[Trial]:
    """The trials but for those of genomes that are among `failed` with a larger budget, as one that diverged is."""
    last: dict[Genome, float] = {}
    for trial in failed:
        last[trial.genome] = max(epochs_spent(trial), last.get(trial.genome, 0.0))
    return [trial for trial in trials if epochs_spent(trial) >= last.get(trial.genome, 0.0)]


def epochs_spent(trial: Trial) -> float:
    """The epochs of a trial's budget, infinity for the full one where it has no number."""
    return math.inf if trial.budget is None else float(trial.budget.epochs)


def inferred_reference(values: np.ndarray) -> np.ndarray:
    """The reference point `[k]` of a search whose first values are `[n, k]`: a little worse than most of them.

    Not than the worst one: a network that failed to learn would make all that is worth having look alike.
    """
    low = np.quantile(values, _SHARE, axis=0)
    span = values.max(axis=0) - low
    return low - _MARGIN * np.where(span > 0, span, np.where(low == 0, 1.0, np.abs(low)))
