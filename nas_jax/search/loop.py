"""The search: propose, evaluate, record.

The trial log is the only memory. What is proposed depends on the seed and on the log, so a search that was
killed goes on as if nothing had happened.
"""

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Protocol, runtime_checkable

import numpy as np

from nas_jax.assessment import assess
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator
from nas_jax.hints import python_values
from nas_jax.listeners import Listeners, Round
from nas_jax.objectives import Objectives
from nas_jax.run import Run, unfinished
from nas_jax.search.fronts import write_front_files
from nas_jax.search.past import Past
from nas_jax.search.states import kept_states
from nas_jax.settings import SearchSettings
from nas_jax.spaces.base import Space
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Proposal, Strategy
from nas_jax.strategies.proposals import checked_proposals
from nas_jax.trial import History, Stage, Trial


@runtime_checkable
class Proposing(Protocol):
    """What proposals follow from, beside the trials. The parts of a run have all of it."""

    @property
    def seed(self) -> int: ...

    @property
    def space(self) -> Space: ...

    @property
    def strategy(self) -> Strategy: ...

    @property
    def objectives(self) -> Objectives: ...


def search(run: Run) -> None:
    """Fills the store with trials of the search, until it holds enough or the space has no more genomes.

    Trials that the store holds unfinished run first.

    Raises:
        UserError: the first `max_failures` trials failed, all of them, or the first one would cost too much.
    """
    settings = run.parts.search.settings
    run.begin("search", settings.num_trials, "search")
    requests = _Requests(run)
    with kept_states(run) as drop_states:
        while not requests.are_over:  # again, where all that ran has ended before a strategy that waits was asked again
            for trial in measure_all(run.store, run.parts.search.evaluator, requests, run.listeners):
                drop_states()
                if trial.status == "failed":
                    _give_up_on_failures(run.store, settings.max_failures)
    write_front_files(run)


def measure_all(
    store: TrialStore, evaluator: Evaluator, requests: Iterator[Trial], listeners: Listeners
) -> Iterator[Trial]:
    """Yields each trial that ends, after it was stored; what runs is stopped if this is interrupted."""
    with closing(evaluator.evaluate(requests, listeners.progress)) as trials:
        for trial in trials:
            store.put(trial)
            listeners.trial(trial)
            yield trial


def propose(parts: Proposing, searched: Sequence[Trial], num: int) -> list[Proposal]:
    """Up to `num` proposals after the trials `searched` of a search; after the same ones the same."""
    return _propose(parts, parts.objectives.history(searched), len(searched), num)


def _propose(parts: Proposing, history: History, num_searched: int, num: int) -> list[Proposal]:
    proposals = parts.strategy.propose(np.random.default_rng((parts.seed, num_searched)), history, num)
    return checked_proposals(proposals, history, num, type(parts.strategy).__name__)


def store_pending(parts: Proposing, store: TrialStore, proposals: Sequence[Proposal]) -> list[Trial]:
    """The proposals as pending trials of the search, which the store has when this returns.

    One that continues another has its seed, and starts where it ended: both are one training.
    """
    first = store.next_id()
    trials = [new_trial(parts, first + place, proposal, "search") for place, proposal in enumerate(proposals)]
    trials = [trial if trial.continues is None else _going_on(trial, store.trial(trial.continues)) for trial in trials]
    if trials:
        store.put(*trials)
    return trials


def _going_on(trial: Trial, earlier: Trial) -> Trial:
    return dataclasses.replace(trial, seed=earlier.seed, start=earlier.budget)


def new_trial(parts: Proposing, id: int, proposal: Proposal, stage: Stage) -> Trial:
    """A pending trial. Its own seed depends on that of the run and on its id alone.

    `store_pending` gives one that continues another what it has of that.
    """
    given, budget, continues, predictions, _ = proposal
    genome = python_values(given)  # JSON has no numbers of NumPy
    seed = int(np.random.SeedSequence((parts.seed, id)).generate_state(1)[0] >> 1)
    description = parts.space.describe(genome)
    return Trial(id, genome, description, stage, seed, predictions=predictions, budget=budget, continues=continues)


class _Requests(Iterator[Trial]):
    """The trials to measure: what an earlier process left unfinished, then what the strategy proposes.

    It has none for now while a strategy waits for pending trials, and may have one when it is asked again.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting = unfinished(run.store, "search")[::-1]  # the next one comes last
        self._past = Past(run.store, run.parts.objectives, run.parts.search.budgets)
        self.are_over = False

    def __next__(self) -> Trial:
        if not self._waiting and not self.are_over:
            self._waiting = self._new_trials()[::-1]
        if not self._waiting:
            raise StopIteration
        return self._waiting.pop()

    def _new_trials(self) -> list[Trial]:
        parts, past, settings = self._run.parts, self._past, self._run.parts.search.settings
        past.update()
        position = len(past.trials)
        num = _num_left(settings, position)
        if num == 0:
            self.are_over = True
            return []
        started = time.perf_counter()
        proposals = _propose(parts, past.history, position, num)
        seconds = time.perf_counter() - started
        if not proposals and past.has_pending:
            return []  # it waits for them
        assessments = assess(past.predicted, parts.objectives)
        self._run.listeners.round(Round(position, proposals, seconds, assessments))
        affordable = past.affordable(settings.max_cost, proposals)
        if proposals and not affordable and not past.trials:
            cost = parts.search.budgets.cost(proposals[0].budget)
            raise UserError(
                f"search.max_cost={settings.max_cost:g} is less than the {cost:g} full trainings that the first trial "
                "costs; raise --config.search.max_cost, in this --workdir or in another one"
            )
        self.are_over = not proposals or len(affordable) < len(proposals)
        if not proposals and len(past.history.known) == parts.space.num_genomes:
            self._run.listeners.note(f"the space has no more than these {parts.space.num_genomes} genomes")
        trials = store_pending(parts, self._run.store, affordable)
        past.add(trials)
        return trials


def _num_left(settings: SearchSettings, position: int) -> int:
    """How many trials to propose at once after `position` of them."""
    left = settings.batch_size if settings.num_trials is None else settings.num_trials - position
    return max(min(settings.batch_size, left), 0)


def _give_up_on_failures(store: TrialStore, max_failures: int) -> None:
    ended = [trial for trial in store.trials("search") if trial.status != "pending"]
    if len(ended) >= max_failures and all(trial.status == "failed" for trial in ended):
        kinds = Counter(trial.failure for trial in ended if trial.failure)
        count = ", ".join(f"{kind}: {num}" for kind, num in kinds.most_common())
        raise UserError(
            f"the first {len(ended)} trials have all failed ({count}), the last one with: {ended[-1].error}"
        )
