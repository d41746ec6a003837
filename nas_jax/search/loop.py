"""The loop: propose, evaluate, record.

The trial log is the only memory. What is proposed depends on the seed and on the log, so a search that was
killed goes on as if nothing had happened.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import numpy as np

from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator
from nas_jax.objectives import Objective
from nas_jax.settings import SearchSettings
from nas_jax.spaces.base import Space
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Proposal, Strategy
from nas_jax.trial import Genome, Prediction, Stage, Trial


def search(
    space: Space,
    strategy: Strategy,
    evaluator: Evaluator,
    objective: Objective,
    store: TrialStore,
    settings: SearchSettings,
    *,
    seed: int,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    on_proposals: Callable[[int, Sequence[Proposal], float], None] = lambda position, proposals, seconds: None,
) -> None:
    """Fills the store with trials of the search, until it holds enough or the space has no more genomes.

    Trials that the store holds unfinished run first. `on_trial` is called with each trial that ends; `on_proposals`
    with the position of each batch in the search, its proposals, and how many seconds they took.

    Raises:
        UserError: the first `settings.max_failures` trials failed, all of them.
    """

    def requests() -> Iterator[Trial]:
        yield from unfinished(store, "search")
        while (position := len(store.trials("search"))) < settings.num_trials:
            history = objective.history(store.trials("search"))
            num = min(settings.batch_size, settings.num_trials - position)
            started = time.perf_counter()
            proposals = strategy.propose(np.random.default_rng((seed, position)), history, num)
            on_proposals(position, proposals, time.perf_counter() - started)
            if not proposals:
                return
            first = store.next_id()
            trials = [
                new_trial(space, first + i, genome, "search", seed, prediction)
                for i, (genome, prediction, _) in enumerate(proposals)
            ]
            store.put(*trials)
            yield from trials

    def ended(trial: Trial) -> None:
        on_trial(trial)
        trials = [trial for trial in store.trials("search") if trial.status != "pending"]
        if len(trials) >= settings.max_failures and all(trial.status == "failed" for trial in trials):
            kinds = Counter(trial.failure for trial in trials if trial.failure)
            count = ", ".join(f"{kind}: {num}" for kind, num in kinds.most_common())
            raise UserError(
                f"the first {len(trials)} trials have all failed ({count}), the last one with: {trial.error}"
            )

    measure_all(store, evaluator, requests(), ended)


def measure_all(
    store: TrialStore, evaluator: Evaluator, requests: Iterator[Trial], on_trial: Callable[[Trial], None]
) -> None:
    """Stores each trial when it ends, before anything else happens; what runs is stopped if this is interrupted."""
    with closing(evaluator.evaluate(requests)) as trials:
        for trial in trials:
            store.put(trial)
            on_trial(trial)


def new_trial(
    space: Space, id: int, genome: Genome, stage: Stage, seed: int, prediction: Prediction | None = None
) -> Trial:
    """A pending trial. Its own seed depends on that of the run and on its id alone."""
    trial_seed = int(np.random.SeedSequence((seed, id)).generate_state(1)[0] >> 1)
    return Trial(id, genome, space.describe(genome), stage, trial_seed, prediction=prediction)


def unfinished(store: TrialStore, *stages: Stage) -> list[Trial]:
    """What an earlier process began and did not end."""
    return [trial for trial in store.trials(*stages) if trial.status == "pending"]
