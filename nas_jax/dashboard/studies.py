"""A run as Optuna studies: one of the search, one of what was trained in full.

A trial's number in its study is its place in the order of ids. Its parameters are its genes; a gene that has no effect
on a genome is left out, as Optuna does with conditional parameters. One with less than the full budget is pruned there,
so that its value, of a part of a training, is compared with none of the others.
"""

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas_jax.budgets import Budgets
from nas_jax.metrics import with_metrics_beside
from nas_jax.objectives import Objectives
from nas_jax.spaces.base import GeneSpace, Space
from nas_jax.trackers.base import Scalar, budget_of, curves, genes_of, numbers
from nas_jax.trial import FULL, Stage, Trial

SEARCH: tuple[Stage, ...] = ("search",)


class Mirror:
    """Keeps a study like the trials of some stages.

    Args:
        name: Of the study. It is made once there is a trial.
        budgets: That a trial could have.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        stages: Sequence[Stage],
        space: Space,
        objectives: Objectives,
        budgets: Budgets,
    ) -> None:
        self._storage = storage
        self._name = name
        self._stages = stages
        self._space = space
        self._objectives = objectives
        self._budgets = budgets
        self._study: optuna.Study | None = None
        self._numbers: dict[int, int] = {}  # of trials, by id
        self._running: set[int] = set()

    def update(self, trials: Sequence[Trial], times: Mapping[int, tuple[float, float]]) -> None:
        """Adds new trials, and ends those that have ended.

        Args:
            trials: of all stages, by id.
            times: when each was begun and when it was last written, in seconds since 1970.
        """
        for trial in trials:
            if trial.stage not in self._stages:
                continue
            if trial.id not in self._numbers:
                self._add(trial, *times[trial.id])
            elif trial.id in self._running and trial.status != "pending":
                self._end(trial)

    @property
    def study(self) -> optuna.Study:
        if self._study is None:
            directions = ["maximize" if each.maximize else "minimize" for each in self._objectives]
            self._study = optuna.create_study(storage=self._storage, study_name=self._name, directions=directions)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._study.set_metric_names(list(self._objectives.metrics))
        return self._study

    def _add(self, trial: Trial, begun: float, written: float) -> None:
        state = self._state(trial)
        values = None if state == TrialState.PRUNED and len(self._objectives) > 1 else self._values(trial)
        genes = genes_of(self._space, trial.genome) if isinstance(self._space, GeneSpace) else {}
        self.study.add_trial(
            FrozenTrial(
                number=-1,  # which the study gives it
                trial_id=-1,
                state=state,
                value=None,
                values=values,
                datetime_start=datetime.fromtimestamp(begun),
                datetime_complete=None if state == TrialState.RUNNING else datetime.fromtimestamp(written),
                params=genes,
                distributions=self._distributions(genes),
                user_attrs=_attributes(trial, self._objectives),
                system_attrs={},
                intermediate_values=self._intermediate(trial),
            )
        )
        self._numbers[trial.id] = len(self._numbers)
        if state == TrialState.RUNNING:
            self._running.add(trial.id)

    def _end(self, trial: Trial) -> None:
        number = self._numbers[trial.id]
        running = optuna.trial.Trial(self.study, self.study.get_trials(deepcopy=False)[number]._trial_id)
        for epoch, value in self._intermediate(trial).items():
            running.report(value, epoch)
        for name, value in _attributes(trial, self._objectives).items():
            running.set_user_attr(name, value)
        state = self._state(trial)
        self.study.tell(number, None if state == TrialState.PRUNED else self._values(trial), state)
        self._running.remove(trial.id)

    def _values(self, trial: Trial) -> list[float] | None:
        """Of the metrics of all objectives, or of none."""
        known = numbers(trial.metrics or {})
        values = [known[metric] for metric in self._objectives.metrics if metric in known]
        return values if len(values) == len(self._objectives) else None

    def _state(self, trial: Trial) -> TrialState:
        if trial.status == "pending":
            return TrialState.RUNNING
        if self._values(trial) is None:
            return TrialState.FAIL
        is_whole = trial.budget is None or trial.budget == self._budgets.full
        return TrialState.COMPLETE if is_whole else TrialState.PRUNED

    def _intermediate(self, trial: Trial) -> dict[int, float]:
        """The learning curve of the metric, by epoch from 1. Optuna has none of several objectives."""
        if len(self._objectives) > 1:
            return {}
        return dict(enumerate(curves(trial).get(self._objectives.metrics[0], ()), start=1))

    def _distributions(self, genes: Mapping[str, Scalar]) -> dict[str, BaseDistribution]:
        if not isinstance(self._space, GeneSpace):
            return {}
        choices = self._space.gene_choices
        listed = {name: [v if isinstance(v, Scalar) else str(v) for v in choices[name]] for name in genes}
        return {name: CategoricalDistribution(values) for name, values in listed.items()}


def mirrors_of(storage: BaseStorage, name: str, space: Space, objectives: Objectives, budgets: Budgets) -> list[Mirror]:
    """Both studies of a run."""
    names = ((name, SEARCH), (f"{name} (trained in full)", FULL))
    return [Mirror(storage, title, stages, space, objectives, budgets) for title, stages in names]


def _attributes(trial: Trial, objectives: Objectives) -> dict[str, Any]:
    """What else is known of a trial. Predictions are of the objectives' values: higher is better."""
    predicted = {
        f"predicted_{name}{f'_{metric}' if len(objectives) > 1 else ''}": value
        for metric, prediction in zip(objectives.metrics, trial.predictions, strict=False)
        for name, value in prediction._asdict().items()
    }
    about = {
        **{"id": trial.id, "stage": trial.stage, "architecture": trial.description, "seed": trial.seed},
        **budget_of(trial),
        **{f"{part}_seconds": value for part, value in (trial.seconds or {}).items()},
        **predicted,
        **({"error": trial.error, "failure": trial.failure} if trial.error else {}),
    }
    return with_metrics_beside(about, numbers(trial.metrics or {}))
