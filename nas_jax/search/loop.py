"""The search: propose, evaluate, record.

The trial log is the only memory. What is proposed depends on the seed and on the log, so a search that was
killed goes on as if nothing had happened.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Protocol, runtime_checkable

import numpy as np

from nas_jax.assessment import assess
from nas_jax.budgets import Budgets
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator
from nas_jax.listeners import Listeners, Round
from nas_jax.objectives import Objectives
from nas_jax.run import Run, unfinished
from nas_jax.search.fronts import write_front_files
from nas_jax.settings import SearchSettings
from nas_jax.spaces.base import Space
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Proposal, Strategy
from nas_jax.trial import Stage, Trial

_ROUNDING = 1e-9  # of a sum of costs


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
        UserError: the first `max_failures` trials failed, all of them.
    """
    settings = run.parts.search.settings
    run.begin("search", settings.num_trials, "search")
    for trial in measure_all(run.store, run.parts.search.evaluator, _requests(run), run.listeners):
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
    rng = np.random.default_rng((parts.seed, len(searched)))
    return parts.strategy.propose(rng, parts.objectives.history(searched), num)


def store_pending(parts: Proposing, store: TrialStore, proposals: Sequence[Proposal]) -> list[Trial]:
    """The proposals as pending trials of the search, which the store has when this returns."""
    first = store.next_id()
    trials = [new_trial(parts, first + place, proposal, "search") for place, proposal in enumerate(proposals)]
    store.put(*trials)
    return trials


def new_trial(parts: Proposing, id: int, proposal: Proposal, stage: Stage) -> Trial:
    """A pending trial. Its own seed depends on that of the run and on its id alone."""
    genome, budget, continues, predictions, _ = proposal
    seed = int(np.random.SeedSequence((parts.seed, id)).generate_state(1)[0] >> 1)
    description = parts.space.describe(genome)
    return Trial(id, genome, description, stage, seed, predictions=predictions, budget=budget, continues=continues)


def _requests(run: Run) -> Iterator[Trial]:
    """The trials to measure: what an earlier process left unfinished, then what the strategy proposes."""
    parts, store, settings = run.parts, run.store, run.parts.search.settings
    yield from unfinished(store, "search")
    while num := _num_left(settings, position := len(store.trials("search"))):
        searched = store.trials("search")
        started = time.perf_counter()
        proposals = propose(parts, searched, num)
        seconds = time.perf_counter() - started
        run.listeners.round(Round(position, proposals, seconds, assess(searched, parts.objectives)))
        affordable = _affordable(parts.search.budgets, settings.max_cost, searched, proposals)
        yield from store_pending(parts, store, affordable)
        if not proposals or len(affordable) < len(proposals):
            return


def _num_left(settings: SearchSettings, position: int) -> int:
    """How many trials to propose at once after `position` of them."""
    left = settings.batch_size if settings.num_trials is None else settings.num_trials - position
    return min(settings.batch_size, left)


def _affordable(
    budgets: Budgets, max_cost: float | None, searched: Sequence[Trial], proposals: Sequence[Proposal]
) -> list[Proposal]:
    """The proposals before the first one that would cost more than is left."""
    if max_cost is None:
        return list(proposals)
    given = {trial.id: trial.budget or budgets.full for trial in searched}
    spent = sum(budgets.costs(searched))
    affordable = []
    for proposal in proposals:
        spent += budgets.cost(
            proposal.budget, given.get(proposal.continues) if proposal.continues is not None else None
        )
        if spent > max_cost + _ROUNDING:
            break
        affordable.append(proposal)
    return affordable


def _give_up_on_failures(store: TrialStore, max_failures: int) -> None:
    ended = [trial for trial in store.trials("search") if trial.status != "pending"]
    if len(ended) >= max_failures and all(trial.status == "failed" for trial in ended):
        kinds = Counter(trial.failure for trial in ended if trial.failure)
        count = ", ".join(f"{kind}: {num}" for kind, num in kinds.most_common())
        raise UserError(
            f"the first {len(ended)} trials have all failed ({count}), the last one with: {ended[-1].error}"
        )
