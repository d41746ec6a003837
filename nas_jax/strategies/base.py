"""What every strategy is: a pure function of the past."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from nas_jax.objectives import Objectives
from nas_jax.spaces.base import Space
from nas_jax.strategies.learner import Learner
from nas_jax.trial import Budget, Genome, History, Prediction

NO_DETAILS: Mapping[str, Any] = {}


class Proposal(NamedTuple):
    """A genome to try, and what the strategy thought of it."""

    genome: Genome
    budget: Budget | None = None  # None for the full one
    continues: int | None = None  # the id of the trial whose training goes on, None for a new one
    predictions: tuple[Prediction, ...] = ()  # of the measurement, noise included: one for each objective, or none
    details: Mapping[str, Any] = NO_DETAILS  # plain data for the diagnostics: how it was chosen


@runtime_checkable
class Strategy(Protocol):
    """Says what to try next. It remembers nothing: all it knows is in the history."""

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        """The next `num` proposals; fewer only if no more exist.

        Somebody may have made the history by hand: `checked_history` of `checks.py` says what is wrong with it.

        A genome is new, none of `history.known`, unless the proposal continues a trial of it or gives it another
        budget.
        """
        ...


@runtime_checkable
class Learning(Protocol):
    """A strategy that asks a surrogate."""

    @property
    def learner(self) -> Learner: ...


@runtime_checkable
class RandomStart(Protocol):
    """A strategy whose first proposals are random draws from the space."""

    @property
    def num_random(self) -> int | float:
        """How many; infinity for all."""
        ...


@runtime_checkable
class Aiming(Protocol):
    """A strategy that can be told of what the values are; it is a dataclass with this field."""

    @property
    def objectives(self) -> Objectives | None: ...


def aimed(strategy: Strategy, objectives: Objectives) -> Strategy:
    """The strategy, told what the values are of if it has a use for that."""
    if isinstance(strategy, Aiming) and dataclasses.is_dataclass(strategy):
        return dataclasses.replace(strategy, objectives=objectives)
    return strategy


def random_proposals(space: Space, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
    """Draws of the space that are new to the history."""
    return [Proposal(genome) for genome in space.sample(rng, num, exclude=history.known)]


def random_proposal(space: Space, rng: np.random.Generator, history: History) -> Proposal | None:
    """A draw of the space that is new to the history, None where there is none."""
    return next(iter(random_proposals(space, rng, history, 1)), None)


def one_by_one(
    next_proposal: Callable[[np.random.Generator, History], Proposal | None],
    rng: np.random.Generator,
    history: History,
    num: int,
) -> list[Proposal]:
    """Up to `num` proposals, each as if those before it were pending; fewer once there is no next one."""
    proposals: list[Proposal] = []
    while len(proposals) < num and (proposal := next_proposal(rng, history)):
        proposals.append(proposal)
        history = history._replace(
            pending=(*history.pending, proposal.genome),
            pending_budgets=(*history.pending_budgets, proposal.budget),
        )
    return proposals
