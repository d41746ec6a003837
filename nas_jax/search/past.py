"""What a search knows while it goes on, kept up to date trial by trial: the history, and what has been spent.

`Objectives.history` says what a history is; of a thousand trials it takes longer than a look into a table.
"""

import numpy as np

from nas_jax.budgets import Budgets
from nas_jax.objectives import Objectives
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Proposal
from nas_jax.trial import Budget, History, Trial

_ROUNDING = 1e-9  # of a sum of costs


class Past:
    """The trials of a search in a store. What is put there by others is seen at the next `update`."""

    def __init__(self, store: TrialStore, objectives: Objectives, budgets: Budgets) -> None:
        self._store, self._objectives, self._budgets = store, objectives, budgets
        self._places: dict[int, int] = {}  # by id, in the order of proposals
        self._given: dict[int, Budget] = {}  # by id
        self._pending: dict[int, Trial] = {}
        self.trials: list[Trial] = []
        self.spent = 0.0
        self.history: History = objectives.history([])
        self.add(store.trials("search"))

    @property
    def predicted(self) -> list[Trial]:
        """Those of which a surrogate has said something."""
        return [trial for trial in self.trials if trial.predictions]

    @property
    def has_pending(self) -> bool:
        return bool(self._pending)

    def add(self, trials: list[Trial]) -> None:
        """Of new trials, which the store has."""
        for trial in trials:
            self._places[trial.id] = len(self.trials)
            self.trials.append(trial)
            self._given[trial.id] = trial.budget or self._budgets.full
            self.spent += self._cost(trial)
            if trial.status == "pending":
                self._pending[trial.id] = trial
        if not self._append(trials):
            self.history = self._objectives.history(self.trials)

    def update(self) -> None:
        """Takes note of what has ended."""
        ended = [trial for id in self._pending if (trial := self._store.trial(id)).status != "pending"]
        for trial in ended:
            del self._pending[trial.id]
            self.trials[self._places[trial.id]] = trial
        if ended and not self._append(ended):
            self.history = self._objectives.history(self.trials)

    def affordable(self, max_cost: float | None, proposals: list[Proposal]) -> list[Proposal]:
        """The proposals before the first one that would cost more than is left."""
        if max_cost is None:
            return proposals
        spent, affordable = self.spent, list[Proposal]()
        for proposal in proposals:
            spent += self._cost(proposal)
            if spent > max_cost + _ROUNDING:
                break
            affordable.append(proposal)
        return affordable

    def _cost(self, trial: Trial | Proposal) -> float:
        start = None if trial.continues is None else self._given[trial.continues]
        return self._budgets.cost(trial.budget, start)

    def _append(self, changed: list[Trial]) -> bool:
        """Adds what has finished at the end of the history, where that is its place; says whether it was."""
        history = self.history
        rows = self._objectives.history(changed)
        if rows.failed or (rows.ids and history.ids and rows.ids[0] < history.ids[-1]):
            return False
        self.history = History(
            ids=history.ids + rows.ids,
            places=history.places + tuple(self._places[id] for id in rows.ids),
            genomes=history.genomes + rows.genomes,
            values=np.concatenate([history.values, rows.values]),
            violations=np.concatenate([history.violations, rows.violations]),
            budgets=history.budgets + rows.budgets,
            curves=history.curves + rows.curves,
            failed=history.failed,
            pending=tuple(trial.genome for trial in self._pending.values()),
            pending_budgets=tuple(trial.budget for trial in self._pending.values()),
        )
        return True
