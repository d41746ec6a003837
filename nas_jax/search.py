"""The loop: propose, evaluate, record.

The trial log is the only memory. What is proposed depends on the seed and on the log, so a search that was
killed goes on as if nothing had happened.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator
from nas_jax.objective import Objective
from nas_jax.spaces.base import Space
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Strategy
from nas_jax.trial import Genome, Prediction, Stage, Trial


def search(
    space: Space,
    strategy: Strategy,
    evaluator: Evaluator,
    objective: Objective,
    store: TrialStore,
    *,
    num_trials: int,
    seed: int,
    max_failures: int = 10,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> None:
    """Fills the store until it holds `num_trials` trials of the search, or the space has no more genomes.

    Trials that the store holds unfinished run first. `on_trial` is called with each trial that ends.

    Raises:
        UserError: the first `max_failures` trials failed, all of them.
    """

    def requests() -> Iterator[Trial]:
        yield from unfinished(store, "search")
        while (position := len(store.trials("search"))) < num_trials:
            history = objective.history(store.trials("search"))
            genomes = strategy.propose(np.random.default_rng((seed, position)), history, 1)
            if not genomes:
                return
            trial = new_trial(space, store.next_id(), genomes[0], "search", seed)
            store.put(trial)
            yield trial

    for trial in record(store, evaluator.evaluate(requests())):
        on_trial(trial)
        ended = [trial for trial in store.trials("search") if trial.status != "pending"]
        if len(ended) >= max_failures and all(trial.status == "failed" for trial in ended):
            raise UserError(f"the first {len(ended)} trials have all failed, the last one with: {trial.error}")


def new_trial(
    space: Space, id: int, genome: Genome, stage: Stage, seed: int, prediction: Prediction | None = None
) -> Trial:
    """A pending trial. Its own seed depends on that of the run and on its id alone."""
    trial_seed = int(np.random.SeedSequence((seed, id)).generate_state(1)[0] >> 1)
    return Trial(id, genome, space.describe(genome), stage, trial_seed, prediction=prediction)


def unfinished(store: TrialStore, *stages: Stage) -> list[Trial]:
    """What an earlier process began and did not end."""
    return [trial for trial in store.trials(*stages) if trial.status == "pending"]


def record(store: TrialStore, trials: Iterable[Trial]) -> Iterator[Trial]:
    """Stores each trial before passing it on."""
    for trial in trials:
        store.put(trial)
        yield trial
