"""The front of trials that end one after the other, and its hypervolume, for who cannot wait for the last one."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from nas_jax.fronts import hypervolume
from nas_jax.objectives import NUM_FIRST, Objectives, epochs_spent, without_failed_later
from nas_jax.trial import Genome, Trial


class GrowingFront:
    """At any time what `Objectives.front` says of all trials so far, without going through all of them each time.

    It begins anew with the first trial that has a larger budget than those before, and what failed with a larger budget
    than it was measured with is taken back: what it had beaten is there again.
    """

    def __init__(self, objectives: Objectives, trials: Iterable[Trial] = ()) -> None:
        self._objectives = objectives
        self._trials = list(trials)
        self._failed: dict[Genome, list[Trial]] = {}
        for trial in filter(objectives.has_failed, self._trials):
            self._failed.setdefault(trial.genome, []).append(trial)
        self._epochs = 0.0  # the largest budget
        self._front: list[Trial] = []
        self._compared: set[Genome] = set()  # with the largest budget
        self._count_all()

    @property
    def trials(self) -> list[Trial]:
        """The front, in the order in which its trials came."""
        return list(self._front)

    @property
    def values(self) -> Float[np.ndarray, "n k"]:
        """The values of the front; higher is better."""
        values = [self._objectives.values(trial) for trial in self._front]
        return np.array(values, np.float64).reshape(len(values), len(self._objectives))

    def add(self, trial: Trial) -> None:
        """Takes a trial that has ended."""
        self._trials.append(trial)
        if self._objectives.has_failed(trial):
            self._failed.setdefault(trial.genome, []).append(trial)
            if trial.genome in self._compared and epochs_spent(trial) > self._epochs:
                self._count_all()
        elif without_failed_later([trial], self._failed.get(trial.genome, ())):
            self._count(trial)

    def _count(self, trial: Trial) -> None:
        epochs = epochs_spent(trial)
        if epochs > self._epochs:
            self._epochs, self._front, self._compared = epochs, [], set()
        if epochs == self._epochs:
            self._front = self._objectives.front([*self._front, trial])
            self._compared.add(trial.genome)

    def _count_all(self) -> None:
        compared = [trial for trial, _ in self._objectives.comparable(self._trials)]
        self._front = self._objectives.front(self._trials)
        self._compared = {trial.genome for trial in compared}
        self._epochs = max(map(epochs_spent, compared), default=0.0)


class GrowingVolume:
    """The hypervolume of a growing front, known from the eighth finished trial on.

    It keeps the reference that these eight have, where `Objectives.reference` takes the eight lowest ids: with several
    workers they may be others.
    """

    def __init__(self, objectives: Objectives) -> None:
        self._objectives = objectives
        self._front = GrowingFront(objectives)
        self._first: list[Trial] = []
        self._reference: np.ndarray | None = None

    def add(self, trial: Trial) -> float | None:
        """The hypervolume with this trial, None while there is none."""
        self._front.add(trial)
        if self._reference is None:
            self._first.append(trial)
            history = self._objectives.history(self._first)
            if len(history.genomes) < NUM_FIRST:
                return None
            self._reference = self._objectives.reference(history)
        return hypervolume(self._front.values, self._reference)
