"""Freeze-thaw: at every step a surrogate of curves says which training to begin, or to continue by one rung.

What counts is what a training promises for its end (Swersky, Snoek & Adams, "Freeze-Thaw Bayesian Optimization", 2014;
Wistuba, Kadra & Grabocka, "Supervising the Multi-Fidelity Race of Hyperparameter Configurations", 2022; Rakotoarison et
al., "In-Context Freeze-Thaw Bayesian Optimization", 2024). Three moves share the cost in equal parts:

- explore: the largest expected improvement of the full training over the best posterior mean, for the square root of
  what the next rung costs;
- exploit: of the trainings that may end better than the incumbent, by one deviation or by three, the most promising
  catches up with it; where there is none, the one with the best posterior mean goes on;
- do without the surrogate, in case it is wrong: the best third of a rung goes on, as in ASHA, or else a random genome
  begins.

What the search has is the incumbent, the best of those that have gone furthest. So the first two moves take none
further than others before three have come to its rung for each that goes on from it, and the first keeps this rule
everywhere: else the first one that looks good would be trained to its end when little is known. Since what may be
better catches up, few need to go far, and the more can begin. One deviation favours those of which much is known, three
those of which little is; the toss of a coin says which it is.

The values are seen in two ways (`curve_views.py`). Which training to begin follows one of them, by the toss of a coin;
who may be better than the incumbent is for both to say, since each errs in its own way.
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
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal, one_by_one, random_proposal
from nas_jax.strategies.checks import checked_history
from nas_jax.strategies.choices import Choices, choices_of, epochs_of, network_space, relative_seconds
from nas_jax.strategies.contenders import is_behind, leading
from nas_jax.strategies.curve_views import View, views_of
from nas_jax.strategies.pools import Pool, Scale, make_pool, scale_over_space
from nas_jax.strategies.rungs import rung_budgets
from nas_jax.trial import History

_OPTIMISM = (1.0, 3.0)  # deviations, one of them at each step


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
        features = self._features(rng, history)
        choices = self._priced(choices_of(features, history, each, self.budgets))
        if not choices.genomes:
            return None
        views = views_of(self.space, features.known, choices, history, each)
        by_rank, _ = views
        improvement = views[int(rng.integers(len(views)))].log_improvement()
        chosen = self._choose(rng, improvement, views, choices, history)
        return Proposal(
            choices.genomes[chosen],
            choices.budgets[chosen],
            continues=choices.continues[chosen],
            predictions=(by_rank.prediction(choices, chosen, each),),  # which knows the worst values too
            details={"acquisition": "expected_improvement", "value": float(np.exp(improvement[chosen]))},
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

    def _choose(
        self,
        rng: np.random.Generator,
        improvement: Float[np.ndarray, " m"],
        views: Sequence[View],
        choices: Choices,
        history: History,
    ) -> int:
        """The place of a choice, by the logarithms of expected improvements and both views."""
        promise = improvement - 0.5 * np.log(choices.costs)
        moves = [int(np.argmax(np.where(choices.is_open, promise, -np.inf)))]
        optimism = float(rng.choice(_OPTIMISM))
        hope = np.mean([view.lead(optimism) for view in views], axis=0)
        catches_up = is_behind(choices, history) & (hope > 0)
        can_go_on = choices.is_open & choices.is_begun
        if catches_up.any():
            moves.append(int(np.argmax(np.where(catches_up, hope, -np.inf))))
        elif can_go_on.any():
            lead = np.mean([view.lead(0.0) for view in views], axis=0)
            moves.append(int(np.argmax(np.where(can_go_on, lead, -np.inf))))
        new = np.flatnonzero(~choices.is_begun)
        leader = leading(history, rung_budgets(self.budgets, self.eta, self.smallest))
        if leader is not None:
            moves.append(choices.genomes.index(leader))
        elif len(new):
            moves.append(int(rng.choice(new)))
        weights = 1 / choices.costs[moves]  # so that they share the cost in equal parts
        return moves[int(rng.choice(len(moves), p=weights / weights.sum()))]


make = FreezeThaw


def _by_progress(history: History) -> History:
    """As values, how far a trial has come, and among those that came as far how good it was."""
    order = np.lexsort((history.scores, np.array([epochs_of(budget) for budget in history.budgets])))
    values = np.empty(len(order))
    values[order] = np.arange(len(order))
    return history._replace(values=values[:, None])


@lru_cache(maxsize=2)  # a space is a frozen dataclass
def _scale_of(space: Space) -> Scale:
    return scale_over_space(space, np.random.default_rng(0), [])
