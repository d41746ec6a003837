"""The budgets that a measurement can have, and what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from nas_jax.trial import Budget, Trial


@dataclass(frozen=True)
class Budgets:
    """All that there are, ascending; the last one is the full one. The unit is an epoch, or what a table counts in.

    Args:
        if_one: Where there is one alone, what a strategy that needs several says: why, and what to do.

    Raises:
        ValueError: none, one below 1, or they do not ascend.
    """

    each: tuple[int, ...]
    if_one: str = field(
        default="the evaluator has the full budget alone; give a table a curve, as "
        "--config.evaluator.curve=val_loss_{}",
        compare=False,
        repr=False,
    )

    def __post_init__(self) -> None:
        if not self.each or self.each[0] < 1 or list(self.each) != sorted(set(self.each)):
            raise ValueError(f"budgets have to ascend from at least 1, got {self.each}")

    @property
    def full(self) -> Budget:
        return Budget(self.each[-1])

    def at_least(self, epochs: int | float) -> Budget:
        """The smallest budget of so many epochs or more, the full one where there is none."""
        return Budget(next((each for each in self.each if each >= epochs), self.each[-1]))

    def cost(self, budget: Budget | None, start: Budget | None = None) -> float:
        """What a measurement costs in full ones; a continued one from `start` on costs only what is added.

        Args:
            budget: None for the full one.
        """
        spent = (budget or self.full).epochs - (start.epochs if start else 0)
        return max(spent, 0) / self.each[-1]

    def costs(self, trials: Sequence[Trial]) -> list[float]:
        """The cost of each of the trials of a search, among which are those that others continue."""
        given = {trial.id: trial.budget or self.full for trial in trials}
        return [
            self.cost(trial.budget, None if trial.continues is None else given[trial.continues]) for trial in trials
        ]


@runtime_checkable
class HasBudgets(Protocol):
    """An evaluator that can measure with less than the full budget, and continue such a measurement."""

    @property
    def budgets(self) -> Budgets: ...


def budgets_of(evaluator: object) -> Budgets:
    """The budgets of an evaluator; one alone, where it measures in full only."""
    return evaluator.budgets if isinstance(evaluator, HasBudgets) else Budgets((1,))
