"""Freeze-thaw: at every step a surrogate of curves says which training to begin, or to continue by one rung.

What counts is what a training promises for its end (Swersky, Snoek & Adams, "Freeze-Thaw Bayesian Optimization", 2014;
Wistuba, Kadra & Grabocka, "Supervising the Multi-Fidelity Race of Hyperparameter Configurations", 2022; Rakotoarison et
al., "In-Context Freeze-Thaw Bayesian Optimization", 2024). Three moves share the cost in equal parts:

- explore: the largest expected improvement of the full training over the best posterior mean, for the square root of
  what the next rung costs;
- exploit: of the trainings that may end better than the incumbent, by one deviation, the most promising catches up with
  it; where there is none, the one with the best posterior mean goes on;
- do without the surrogate, in case it is wrong: the best third of a rung goes on, as in ASHA, or else a random genome
  begins.

What the search has is the incumbent, the best of those that have gone furthest. So the first two moves take none
further than others before five have come to its rung for each two that go on from it, and the first keeps this rule
everywhere: else the first one that looks good would be trained to its end when little is known. Since what promises
more may catch up, few need to go far, and the more can begin.

Each step sees the values in one of two ways, by the toss of a coin. Their ranks tell good from best. The values as
they are, but for the worst fifth, know that trainings on a plateau do not differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from nas_jax.budgets import Budgets
from nas_jax.errors import UserError
from nas_jax.objectives import Objectives
from nas_jax.spaces.allowed import allowed
from nas_jax.spaces.base import GeneSpace, Space
from nas_jax.strategies.base import Proposal, one_by_one, random_proposal
from nas_jax.strategies.checks import checked_history
from nas_jax.strategies.choices import (
    Choices,
    choices_of,
    epochs_of,
    network_space,
    numbers_of,
    relative_seconds,
)
from nas_jax.strategies.contenders import incumbent, is_behind, leading
from nas_jax.strategies.pools import Pool, Scale, make_pool, scale_over_space
from nas_jax.strategies.rungs import rung_budgets
from nas_jax.strategies.targets import Targets, targets_of
from nas_jax.surrogates.acquisition import log_expected_improvement
from nas_jax.surrogates.curve_process import CurveProcess, Curves, CurveState
from nas_jax.surrogates.padding import padded_posterior
from nas_jax.trial import Budget, History

_FEWEST = 27  # points
_GROWTH = 1.4  # of the number of points between two searches for hyperparameters
_WORST = 0.2  # the share of values that are not told apart where values count as they are


@dataclass(frozen=True)
class FreezeThaw:
    """Settings of a freeze-thaw search. Pending trials count as measured, with their posterior mean as the result.

    Args:
        budgets: Those of the evaluator.
        num_initial: Random genomes, measured with the smallest budget before the surrogate is asked; all where the
            space has fewer.
        eta: By what the budget grows from rung to rung.
        smallest: The budget of the first rung; None for the smallest that there is.
        num_candidates: New genomes to choose from where the space is too large to be enumerated.
        max_enumerated: The largest number of genomes that are enumerated.
        by_flops: Whether an epoch of a network with more FLOPs costs more, as it does on a CPU, and not the same for
            all. What a search may cost (`search.max_cost`) is counted in epochs in either case.
        objectives: What the values are of: genomes that break a limit on a known cost are never proposed.

    Raises:
        ValueError: an evaluator with the full budget alone, a number that is too small, or `by_flops` of a space that
            knows no networks.
    """

    space: Space
    budgets: Budgets
    num_initial: int = 27
    eta: int = 2
    smallest: int | None = None
    num_candidates: int = 1000
    max_enumerated: int = 20_000
    by_flops: bool = False
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        rung_budgets(self.budgets, self.eta, self.smallest)
        if self.by_flops and network_space(self.space) is None:
            raise ValueError(f"by_flops: {type(self.space).__name__} knows no networks, so it has no FLOPs to go by")
        if min(self.num_initial, self.num_candidates) < 1 or self.max_enumerated < 0:
            raise ValueError(f"num_initial and num_candidates have to be at least 1, no number negative: {self}")

    @property
    def num_random(self) -> int:
        return self.num_initial

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        history = checked_history(self.space, history)
        if history.values.shape[1] > 1:
            raise UserError(
                "strategy freeze_thaw follows one objective; with several take --config.strategy=asha, hyperband or "
                "successive_halving, or bayesopt, which trains everything in full"
            )
        return one_by_one(self._next, rng, history, num)

    @property
    def _allowed(self) -> Space:
        return allowed(self.space, self.objectives)

    def _next(self, rng: np.random.Generator, history: History) -> Proposal | None:
        each = rung_budgets(self.budgets, self.eta, self.smallest)
        if len(history.known) < self.num_initial or not history.genomes:
            if proposal := random_proposal(self._allowed, rng, history):
                return proposal._replace(budget=each[0])
            if not history.genomes:
                return None
        by_rank = bool(rng.integers(2))
        features = self._features(rng, history)
        process = CurveProcess(_groups_of(self.space))
        targets = _targets_of(_scores_of(history), by_rank=by_rank)
        state = self._learn(process, features.known, history, targets, by_rank=by_rank)
        choices = self._priced(choices_of(features, history, each, self.budgets))
        if not choices.genomes:
            return None
        chosen, value = self._choose(rng, process, state, choices, history)
        budget = choices.budgets[chosen]
        at_budget = Curves(choices.x[[chosen]], _shares([budget], each), choices.training[[chosen]])
        mean, std = (float(part[0]) for part in process.predict(state, at_budget))
        return Proposal(
            choices.genomes[chosen],
            budget,
            continues=choices.continues[chosen],
            predictions=(targets.prediction(mean, std),),
            details={"acquisition": "expected_improvement", "value": value},
        )

    def _priced(self, choices: Choices) -> Choices:
        """With costs by FLOPs, where they are asked for."""
        space = network_space(self.space) if self.by_flops else None
        if space is None:
            return choices
        return choices._replace(costs=choices.costs * relative_seconds(space, choices.genomes))

    def _features(self, rng: np.random.Generator, history: History) -> Pool:
        """The genomes to choose from, and features in units that are the same at each step."""
        pool = make_pool(self._allowed, rng, _by_progress(history), self.num_candidates, self.max_enumerated)
        if self._allowed.num_genomes <= self.max_enumerated:
            return pool
        scale, known = _scale_of(self._allowed), (*history.genomes, *history.failed, *history.pending)
        x, candidates = self.space.encode(list(known)), self.space.encode(list(pool.candidates))
        return Pool(scale(x), pool.candidates, scale(candidates))

    def _learn(
        self,
        process: CurveProcess,
        x: Float[np.ndarray, "n d"],
        history: History,
        targets: Targets,
        *,
        by_rank: bool,
    ) -> CurveState:
        """What was measured, failures as the worst, and as if it were the posterior mean of what is pending."""
        each, number = rung_budgets(self.budgets, self.eta, self.smallest), numbers_of(history)
        genomes = [*history.genomes, *history.failed]
        shares = _shares([*history.budgets, *[each[0]] * len(history.failed)], each)
        num, trainings = len(genomes), np.array([number[genome] for genome in genomes])
        curves = Curves(x[:num], shares, trainings)
        first = _size_of_fit(len(history.genomes))
        begun = Curves(*(part[:first] for part in curves))
        coordinates = _optimised(process, begun, _targets_of(history.scores[:first], by_rank=by_rank).values)
        state = process.condition(curves, targets.values, coordinates)
        if not history.pending:
            return state
        pending = Curves(
            x[num:], _shares(history.pending_budgets, each), np.array([number[genome] for genome in history.pending])
        )
        expected = np.asarray(process.predict(state, pending).mean)
        joined = Curves(*(np.concatenate(parts) for parts in zip(curves, pending, strict=True)))
        return process.condition(joined, np.append(targets.values, expected), coordinates)

    def _choose(
        self,
        rng: np.random.Generator,
        process: CurveProcess,
        state: CurveState,
        choices: Choices,
        history: History,
    ) -> tuple[int, float]:
        """The place of a choice, and its expected improvement."""
        posterior = process.predict(state, Curves(choices.x, np.ones(len(choices.x)), choices.training))
        known = process.predict(state, Curves(state.curves.x, np.ones(len(state.curves.x)), state.curves.training))
        mean, mean_of_known = np.asarray(posterior.mean), np.asarray(known.mean)
        improvement = np.asarray(log_expected_improvement(padded_posterior(posterior), mean_of_known.max()))
        improvement = improvement[: len(mean)]
        promise = improvement - 0.5 * np.log(choices.costs)
        moves = [int(np.argmax(np.where(choices.is_open, promise, -np.inf)))]
        hope = mean + np.asarray(posterior.std)
        catches_up = is_behind(choices, history) & (hope > mean_of_known[incumbent(history)])
        can_go_on = choices.is_open & choices.is_begun
        if catches_up.any():
            moves.append(int(np.argmax(np.where(catches_up, hope, -np.inf))))
        elif can_go_on.any():
            moves.append(int(np.argmax(np.where(can_go_on, mean, -np.inf))))
        new = np.flatnonzero(~choices.is_begun)
        leader = leading(history, rung_budgets(self.budgets, self.eta, self.smallest))
        if leader is not None:
            moves.append(choices.genomes.index(leader))
        elif len(new):
            moves.append(int(rng.choice(new)))
        weights = 1 / choices.costs[moves]  # so that they share the cost in equal parts
        chosen = moves[int(rng.choice(len(moves), p=weights / weights.sum()))]
        return chosen, float(np.exp(improvement[chosen]))


make = FreezeThaw


def _by_progress(history: History) -> History:
    """As values, how far a trial has come, and among those that came as far how good it was."""
    order = np.lexsort((history.scores, np.array([epochs_of(budget) for budget in history.budgets])))
    values = np.empty(len(order))
    values[order] = np.arange(len(order))
    return history._replace(values=values[:, None])


def _scores_of(history: History) -> Float[np.ndarray, " n"]:
    """Of the finished trials, and of the failed ones the worst."""
    scores = history.scores
    if history.violations.shape[1]:
        scores = np.where((history.violations > 0).any(axis=1), scores.min(), scores)
    return np.append(scores, np.full(len(history.failed), scores.min()))


def _targets_of(scores: Float[np.ndarray, " n"], *, by_rank: bool) -> Targets:
    if by_rank:
        return targets_of(scores, "ranks")
    return Targets(np.maximum(scores, np.quantile(scores, _WORST)), lambda values: values)


def _shares(budgets: Sequence[Budget | None], each: tuple[Budget, ...]) -> Float[np.ndarray, " n"]:
    """How far trainings come with budgets, on a logarithmic scale from the first rung to the full budget.

    Where the full budget is the only rung, what has it has come to its end, and what has less is at the beginning.
    """
    first, full = each[0].epochs, each[-1].epochs
    epochs = np.array([(budget or each[-1]).epochs for budget in budgets], np.float64)
    if first == full:
        return (epochs >= full).astype(np.float64)
    return np.clip(np.log(epochs / first) / np.log(full / first), 0.0, 1.0)


def _size_of_fit(num: int) -> int:
    """How many of the first points hyperparameters are sought for: so that one search serves many steps."""
    size = num
    if num > _FEWEST:
        size = int(_FEWEST * _GROWTH ** np.floor(np.log(num / _FEWEST) / np.log(_GROWTH)))
    return size


def _groups_of(space: Space) -> tuple[str, ...] | None:
    """Features of a gene share a lengthscale; all do where the space knows no genes."""
    return tuple(space.feature_genes) if isinstance(space, GeneSpace) else None


@lru_cache(maxsize=2)  # a space is a frozen dataclass
def _scale_of(space: Space) -> Scale:
    return scale_over_space(space, np.random.default_rng(0), [])


def _optimised(process: CurveProcess, curves: Curves, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    """The hyperparameters of points, remembered: the next steps ask for them again."""
    parts = (np.ascontiguousarray(part, np.float64) for part in (*curves, y))
    return _optimised_bytes(process, len(y), *(part.tobytes() for part in parts))


@lru_cache(maxsize=32)
def _optimised_bytes(process: CurveProcess, num: int, *parts: bytes) -> Float[np.ndarray, " k"]:
    x, share, training, y = (np.frombuffer(part) for part in parts)
    return process.optimise(Curves(x.reshape(num, -1), share, training.astype(int)), y)
