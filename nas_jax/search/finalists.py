"""The finalists: picked by the surrogate among all that was tried and much that was not, and trained in full."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator
from nas_jax.objectives import Objective
from nas_jax.search.loop import measure_all, new_trial, unfinished
from nas_jax.settings import FinalistSettings
from nas_jax.spaces.base import Space
from nas_jax.store import TrialStore
from nas_jax.strategies.pools import unit_features
from nas_jax.strategies.targets import targets_of
from nas_jax.surrogates.base import Surrogate
from nas_jax.trial import FULL, Genome, Prediction, Stage, Trial


class Finalist(NamedTuple):
    """A genome and what the surrogate expects of a measurement as in the search."""

    genome: Genome
    prediction: Prediction


def pick_finalists(
    space: Space,
    surrogate: Surrogate,
    objective: Objective,
    trials: Sequence[Trial],
    settings: FinalistSettings,
    *,
    seed: int,
) -> list[Finalist]:
    """Ranks the genomes of `trials` and fresh candidates by posterior mean; the best come first.

    Raises:
        UserError: fewer than two trials have a score, or the surrogate refuses the scores.
    """
    history = objective.history(trials)
    if len(history.genomes) < 2:
        failures = [trial.error for trial in trials if trial.error]
        reason = f"; the last failure: {failures[-1]}" if failures else ""
        raise UserError(f"{len(history.genomes)} of {len(trials)} trials have a score, the surrogate needs two{reason}")
    rng = np.random.default_rng((seed, len(trials)))
    pool = [*history.genomes, *space.sample(rng, settings.num_candidates, exclude=history.known)]
    x, targets = unit_features(space, pool), targets_of(history.scores, settings.targets)
    try:
        state = surrogate.fit(jax.random.key(seed), x[: len(history.genomes)], targets.values)
    except ValueError as error:
        raise UserError(f"surrogate: {error}; start again with other settings of it, the trials are kept") from error
    posterior = surrogate.predict(state, x, with_noise=True)
    means, stds = np.asarray(posterior.mean), np.asarray(posterior.std)
    ranking = np.argsort(-means, kind="stable")[: settings.num_finalists]
    return [Finalist(pool[i], targets.prediction(float(means[i]), float(stds[i]))) for i in ranking]


def pick_baselines(
    objective: Objective, trials: Sequence[Trial], settings: FinalistSettings
) -> list[tuple[Stage, Genome]]:
    """What the finalists are to be compared with, as `settings` say, by stages of `BASELINES`.

    Trials of the search without a prediction, before the first one with one, were drawn at random. Without any
    prediction, as in random search, the best of them is the best of all and is not named twice.
    """
    baselines: list[tuple[Stage, Genome]] = []
    if settings.with_baseline:
        num_random = next((i for i, trial in enumerate(trials) if trial.prediction), 0)
        groups: list[tuple[Stage, Sequence[Trial]]] = [("baseline", trials), ("random", trials[:num_random])]
        for stage, group in groups:
            history = objective.history(group)
            if history.genomes:
                baselines.append((stage, history.genomes[int(np.argmax(history.scores))]))
    if settings.reference is not None:
        baselines.append(("reference", settings.reference))
    return baselines


def train_finalists(
    space: Space,
    surrogate: Surrogate,
    evaluator: Evaluator,
    objective: Objective,
    store: TrialStore,
    settings: FinalistSettings,
    *,
    seed: int,
    on_pick: Callable[[int], None] = lambda num: None,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> list[Trial]:
    """Picks the finalists, unless the store has them already, and trains those that are not yet trained.

    Baselines have stages of their own. One that is a finalist itself, or an earlier baseline, is not trained again.
    `on_pick` is called with the number of trainings, `on_trial` with each one that ends.

    Returns:
        The trials of the finalists, in the order in which the surrogate ranks them.
    """
    stored = store.trials(*FULL)
    if all(trial.status == "pending" for trial in stored):  # an ended one proves that all were written
        tried = store.trials("search")
        finalists = pick_finalists(space, surrogate, objective, tried, settings, seed=seed)
        chosen: list[tuple[Genome, Stage, Prediction | None]]
        chosen = [(finalist.genome, "final", finalist.prediction) for finalist in finalists]
        for stage, genome in pick_baselines(objective, tried, settings):
            if genome not in [known for known, _, _ in chosen]:
                chosen.append((genome, stage, None))
        first = store.next_id() - len(stored)
        trials = [new_trial(space, first + i, g, stage, seed, p) for i, (g, stage, p) in enumerate(chosen)]
        store.put(*trials[len(stored) :])

    on_pick(len(store.trials(*FULL)))
    measure_all(store, evaluator, iter(unfinished(store, *FULL)), on_trial)
    return store.trials("final")


def find_baselines(objective: Objective, trials: Sequence[Trial], settings: FinalistSettings) -> dict[Stage, Trial]:
    """The trial in full of each baseline: its own, or that of a finalist or an earlier baseline of the same genome.

    Those that failed are left out.

    Args:
        trials: all of a run.
    """
    measured = {trial.genome: trial for trial in trials if trial.stage in FULL and trial.metrics}
    picked = pick_baselines(objective, [trial for trial in trials if trial.stage == "search"], settings)
    return {stage: measured[genome] for stage, genome in picked if genome in measured}


def choose_winner(objective: Objective, contenders: Sequence[Trial]) -> Trial:
    """The one with the best score of the metric that the search had, the first of equals.

    Args:
        contenders: finalists as the surrogate ranks them, and then the baselines that the search found.

    Raises:
        UserError: all have failed.
    """
    scored = [(score, trial) for trial in contenders if (score := objective.finite_score(trial)) is not None]
    if not scored:
        raise UserError(f"all {len(contenders)} finalists failed, the last one with: {contenders[-1].error}")
    return max(scored, key=lambda pair: pair[0])[1]
