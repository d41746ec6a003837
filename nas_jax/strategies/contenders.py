"""Trainings that contend for the first place: the incumbent, those that may catch up with it, and who leads a rung."""

import numpy as np
from jaxtyping import Bool

from nas_jax.strategies.choices import Choices, epochs_of, last_rows
from nas_jax.strategies.order import best_first
from nas_jax.trial import Budget, Genome, History

_LEADING = 3  # one in so many of a rung leads


def incumbent(history: History) -> int:
    """The row of the best trial at the highest budget that any has had."""
    epochs = np.array([epochs_of(budget) for budget in history.budgets])
    return int(best_first(history, np.flatnonzero(epochs == epochs.max()))[0])


def is_behind(choices: Choices, history: History) -> Bool[np.ndarray, " m"]:
    """Trainings whose next rung others have come to."""
    furthest = max(map(epochs_of, history.budgets))
    return choices.is_begun & np.array([epochs_of(budget) <= furthest for budget in choices.budgets])


def leading(history: History, each: tuple[Budget, ...]) -> Genome | None:
    """Of the highest rung that has one, the best genome among its best third that has gone no further."""
    last, closed = last_rows(history), {*history.failed, *history.pending}
    for budget in each[-2::-1]:
        rows = [row for row, spent in enumerate(history.budgets) if spent == budget]
        for row in best_first(history, rows)[: len(rows) // _LEADING].tolist():
            if last[history.genomes[row]] == row and history.genomes[row] not in closed:
                return history.genomes[row]
    return None
