"""Who is told what happens in a run: the display, the trackers, the diagnostics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from nas_jax.assessment import Assessment
from nas_jax.evaluators.base import Progress
from nas_jax.strategies.base import Proposal
from nas_jax.trial import Trial


class Round(NamedTuple):
    """One call of the strategy, and how good predictions had been until then."""

    position: int  # of its first trial in the search
    proposals: Sequence[Proposal]
    seconds: float
    assessments: Mapping[str, Assessment]  # by metric of the objectives; none while too few trials were predicted


class Outcome(NamedTuple):
    """What a run has come to, as far as its stages went."""

    finalists: Sequence[Trial]
    winner: Trial | None
    metrics: Mapping[str, Any]  # those of `best/metrics.json`, empty where nothing was exported
    places: Mapping[str, str]  # what lies where


@runtime_checkable
class Listener(Protocol):
    """Is told of a run, in one thread and in the order of events."""

    def begin(self, stage: str, num_trials: int | None, ended: Sequence[Trial]) -> None:
        """A stage of `num_trials` trials begins, of which `ended` have ended before.

        The number is None where only the cost of the trials is limited.
        """
        ...

    def progress(self, progress: Progress) -> None:
        """A trial has come further."""
        ...

    def trial(self, trial: Trial) -> None:
        """A trial has ended, and is stored."""
        ...

    def round(self, round: Round) -> None:
        """The strategy has proposed again."""
        ...

    def end(self, outcome: Outcome) -> None:
        """All stages are done."""
        ...


@runtime_checkable
class Noting(Protocol):
    """A listener that shows lines to a person."""

    def note(self, text: str) -> None: ...


@dataclass(frozen=True)
class Listeners:
    """Several listeners, told in turn; none, if there is none."""

    each: tuple[Listener, ...] = ()

    def begin(self, stage: str, num_trials: int | None, ended: Sequence[Trial]) -> None:
        for listener in self.each:
            listener.begin(stage, num_trials, ended)

    def progress(self, progress: Progress) -> None:
        for listener in self.each:
            listener.progress(progress)

    def trial(self, trial: Trial) -> None:
        for listener in self.each:
            listener.trial(trial)

    def round(self, round: Round) -> None:
        for listener in self.each:
            listener.round(round)

    def note(self, text: str) -> None:
        for listener in self.each:
            if isinstance(listener, Noting):
                listener.note(text)

    def end(self, outcome: Outcome) -> None:
        for listener in self.each:
            listener.end(outcome)
