"""The finalists: picked by the surrogate among all that was tried and much that was not, and trained in full."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import jax
import numpy as np

from nas_jax.choice import choose, parse_rule
from nas_jax.errors import UserError
from nas_jax.features.base import at_most
from nas_jax.objectives import Objectives, without_failed_later
from nas_jax.parts import Parts
from nas_jax.run import Run, unfinished
from nas_jax.search.front_finalists import rank_front
from nas_jax.search.fronts import write_front_files
from nas_jax.search.loop import measure_all, new_trial
from nas_jax.spaces.allowed import allowed
from nas_jax.strategies.base import Proposal, RandomStart
from nas_jax.strategies.learner import is_by_spread
from nas_jax.strategies.order import is_of_one
from nas_jax.strategies.pools import scale_of
from nas_jax.trial import CONTENDERS, FULL, Genome, History, Stage, Trial

# What to do where all that was found breaks a constraint: the limits of a run stay as they are.
LOOSEN = (
    "search again in another --workdir, with looser --config.constraints or for longer (--config.search), or look at "
    "what this one found: python -m nas_jax.report"
)
_MAX_SUBSTITUTES = 10  # for finalists that diverged


def train_finalists(run: Run) -> None:
    """Picks the finalists, unless the store has them already, and trains those that are not yet trained.

    Baselines have stages of their own. One that is a finalist itself, or an earlier baseline, is not trained again.
    Where all of them diverge, the best of the search that are left take their place one by one, ten at most. After a
    search that went on, they are picked anew; those of before stay in the race.

    Raises:
        UserError: as `pick_finalists`.
    """
    _store_picks(run)
    while True:
        run.begin("finalists", len(run.store.trials(*FULL)), *FULL)
        requests = iter(unfinished(run.store, *FULL))
        for _ in measure_all(run.store, run.parts.finals.evaluator, requests, run.listeners):
            pass
        if (substitute := _substitute(run)) is None:
            break
        run.store.put(substitute)
    write_front_files(run)


def _store_picks(run: Run) -> None:
    """Puts the finalists and the baselines of the search as it is now into the store, pending, unless it has them.

    Where the search has gone on since the last ones, the `best/` that came of them is kept under another name.
    """
    searched = run.store.trials("search")
    last = max((trial.id for trial in searched), default=-1)
    earlier, stored = list[Trial](), list[Trial]()
    for trial in run.store.trials(*FULL):
        (earlier if trial.id < last else stored).append(trial)
    if any(trial.status != "pending" for trial in stored):
        return  # an ended one proves that all were written
    trials = _chosen(run, searched, earlier, first=run.store.next_id() - len(stored))[len(stored) :]
    if trials and earlier and run.best.exists():
        num = sum(trial.id < earlier[-1].id for trial in searched)
        kept = run.best.rename(_unused(run.workdir / f"best_after_{num}"))
        run.listeners.note(f"finalists: picked anew, as the search has gone on; the best/ of before is {kept.name}/")
    run.store.put(*trials)


def _unused(path: Path) -> Path:
    """The path, or with a number behind it where it is taken."""
    names = (path.with_name(f"{path.name}_{number}" if number else path.name) for number in count())
    return next(name for name in names if not name.exists())


def _substitute(run: Run) -> Trial | None:
    """A finalist for those that have all diverged; None where there are none, one has not, or nothing else is left."""
    contenders, settings = run.store.trials(*CONTENDERS), run.parts.finals.settings
    if not contenders or not all(trial.failure == "non_finite" for trial in contenders):
        return None
    failed = {trial.genome for trial in contenders}
    left = [trial for trial in run.store.trials("search") if trial.genome not in failed]
    if len(contenders) >= settings.num_finalists + _MAX_SUBSTITUTES or not run.parts.objectives.front(left):
        return None
    return new_trial(run.parts, run.store.next_id(), _incumbents(run.parts, left)[0], "final")


def pick_finalists(parts: Parts, trials: Sequence[Trial]) -> list[Proposal]:
    """Ranks the genomes of `trials` and fresh candidates by what the surrogate expects; the best come first.

    Or the best of `trials`, where the settings say so. The surrogate is fitted again and again, with other keys, until
    twice as many fits would pick no others. It learns from the trials of one budget and from those that failed, and
    ranks no genome that the search stopped before that budget.

    Raises:
        UserError: fewer than two trials have a score that can be compared, or the surrogate refuses the scores.
    """
    if parts.finals.settings.pick == "incumbent":
        return _incumbents(parts, trials)
    settings, history = parts.finals.settings, _comparable_history(parts, trials)
    tried = frozenset(trial.genome for trial in trials)
    rng = np.random.default_rng((parts.seed, len(trials)))
    space = parts.learner.space
    num_fresh = at_most(space, settings.num_candidates)
    fresh = allowed(space, parts.objectives).sample(rng, num_fresh, exclude=tried)
    x = space.encode([*history.genomes, *history.failed, *fresh])
    x = scale_of(x, is_by_spread(len(tried)))(x)
    if not is_of_one(history):
        return rank_front(parts, history, x, fresh)
    num, num_failed = len(history.genomes), len(history.failed)
    pool = [*history.genomes, *fresh]
    candidates = np.delete(x, np.arange(num, num + num_failed), axis=0)
    picks: list[int] = []
    mixtures = parts.learner.of(parts.objectives.metrics[0]).mixtures(
        jax.random.key(parts.seed), x, history, candidates
    )
    for number, predictions in enumerate(mixtures):
        before, ranking = set(picks), np.argsort([-prediction.mean for prediction in predictions], kind="stable")
        picks = ranking[: settings.num_finalists].tolist()
        if set(picks) == before or number == settings.max_doublings:
            break
    return [Proposal(pool[place], predictions=(predictions[place],)) for place in picks]


def _comparable_history(parts: Parts, trials: Sequence[Trial]) -> History:
    """What a surrogate of the finalists learns from: each genome once, by its value after one budget, or as failed.

    The budget is the largest one after which there are as many values as finalists or, where none is, the largest one
    after which there are two.

    Raises:
        UserError: no budget has two.
    """
    objectives = parts.objectives
    enough = max(parts.finals.settings.num_finalists, 2)
    compared = objectives.comparable(trials, fewest=enough) or objectives.comparable(trials, fewest=2)
    by_genome = {trial.genome: trial for trial, _ in reversed(compared)}  # of several trials of a genome the first
    failed = {trial.genome: trial for trial in trials if objectives.has_failed(trial)}
    history = objectives.history([*by_genome.values(), *failed.values()])
    if len(history.genomes) < 2:
        num = len(objectives.comparable(trials))
        compared_by = " after one budget" if any(trial.budget for trial in trials) else ""
        raise UserError(
            f"{num} of {len(trials)} trials have a score{compared_by}, the surrogate needs two{_last_failure(trials)}"
        )
    return history


def _incumbents(parts: Parts, trials: Sequence[Trial]) -> list[Proposal]:
    """The best trials of the search, each genome once: by the largest budget that any of them has reached, best first.

    Those that break a constraint, or failed with a larger budget, are passed over.

    Raises:
        UserError: no trial has a score, or none that has keeps the constraints.
    """
    num, left, picked = parts.finals.settings.num_finalists, list(trials), dict[Genome, None]()
    while len(picked) < num and (compared := parts.objectives.comparable(left)):
        front = parts.objectives.front(left)
        picked.update((trial.genome, None) for trial in front)
        done = {trial.genome for trial in front} or {trial.genome for trial, _ in compared}  # or all are infeasible
        left = [trial for trial in left if trial.genome not in done]
    if not picked:
        is_broken = bool(parts.objectives.comparable(trials))
        advice = f"; {LOOSEN}" if is_broken else _last_failure(trials)
        raise UserError(f"{parts.objectives.why_no_front(trials)}{advice}")
    return [Proposal(genome) for genome in list(picked)[:num]]


def _last_failure(trials: Sequence[Trial]) -> str:
    failures = [trial.error for trial in trials if trial.error]
    return f"; the last failure: {failures[-1]}" if failures else ""


def pick_baselines(parts: Parts, trials: Sequence[Trial]) -> list[tuple[Stage, Genome]]:
    """What the finalists are to be compared with, as the settings say, by stages of `BASELINES`.

    Where all trials were drawn at random, the best of them is the best of all and is not named twice.

    Args:
        trials: those of the search.
    """
    settings = parts.finals.settings
    baselines: list[tuple[Stage, Genome]] = []
    if settings.with_baseline:
        random = random_trials(parts, trials)
        groups: list[tuple[Stage, Sequence[Trial]]] = [("baseline", trials)]
        groups += [("random", random)] if len(random) < len(trials) else []
        failed = [trial for trial in trials if parts.objectives.has_failed(trial)]
        for stage, group in groups:
            front = parts.objectives.front(without_failed_later(group, failed))
            baselines += [(stage, _taken(parts, front).genome)] if front else []
    if settings.reference is not None:
        baselines.append(("reference", settings.reference))
    return baselines


def random_trials(parts: Parts, trials: Sequence[Trial]) -> Sequence[Trial]:
    """The trials of genomes that the strategy drew at random from the space, with those that continue them.

    There are none where the strategy does not say how many it draws.
    """
    num = parts.strategy.num_random if isinstance(parts.strategy, RandomStart) else 0
    genomes = {trial.genome for place, trial in enumerate(trials) if place < num}
    return [trial for trial in trials if trial.genome in genomes]


def find_baselines(parts: Parts, trials: Sequence[Trial]) -> dict[Stage, Trial]:
    """The trial in full of each baseline: its own, or that of a finalist or an earlier baseline of the same genome.

    Those that failed are left out.

    Args:
        trials: all of a run.
    """
    measured = {
        trial.genome: trial for trial in trials if trial.stage in FULL and parts.objectives.values(trial) is not None
    }
    picked = pick_baselines(parts, [trial for trial in trials if trial.stage == "search"])
    return {stage: measured[genome] for stage, genome in picked if genome in measured}


def _taken(parts: Parts, front: Sequence[Trial]) -> Trial:
    """The point of the front of a search that the rule names; where there is none, the knee."""
    try:
        return choose(parse_rule(parts.finals.settings.choice), parts.objectives, front)
    except UserError:
        return choose(parse_rule("knee"), parts.objectives, front)


def choose_winner(objectives: Objectives, contenders: Sequence[Trial], rule: str = "knee") -> Trial:
    """The best of what the search found, by the metrics that the search had; of a front the point that the rule names.

    Args:
        contenders: finalists as the surrogate ranks them, and then the baselines that the search found.

    Raises:
        UserError: all have failed or break a constraint, there are none, or the rule names none.
    """
    front = objectives.front(contenders)
    if front:
        return choose(parse_rule(rule), objectives, front) if len(front) > 1 else front[0]
    if any(objectives.values(trial) is not None for trial in contenders):
        raise UserError(f"none of the {len(contenders)} finalists keeps {objectives.limits}; {LOOSEN}")
    if not contenders:
        raise UserError("there are no finalists to choose from; put finalists into --config.stages, before export")
    raise UserError(
        f"all {len(contenders)} finalists failed, the last one with: {contenders[-1].error}; search for longer "
        "(--config.search), in another --workdir"
    )


def _chosen(run: Run, searched: Sequence[Trial], earlier: Sequence[Trial], first: int) -> list[Trial]:
    """The pending trials of the finalists and the baselines, with ids from `first` on.

    Args:
        earlier: the trials in full of a search that was shorter; what may win of them is not trained again.
    """
    chosen: list[tuple[Stage, Proposal]] = [("final", proposal) for proposal in pick_finalists(run.parts, searched)]
    for stage, genome in pick_baselines(run.parts, searched):
        if genome not in [proposal.genome for _, proposal in chosen]:
            chosen.append((stage, Proposal(genome)))
    known = {trial.genome for trial in earlier}
    may_win = {trial.genome for trial in earlier if trial.stage in CONTENDERS}
    new = [(stage, each) for stage, each in chosen if each.genome not in (may_win if stage in CONTENDERS else known)]
    return [new_trial(run.parts, first + i, proposal, stage) for i, (stage, proposal) in enumerate(new)]
