"""The learning curves of a table: a column for each budget."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from nas_jax.budgets import Budgets
from nas_jax.errors import UserError
from nas_jax.tables import Table, name_of
from nas_jax.trial import Budget


class TableCurve(NamedTuple):
    """A metric after each budget. `columns` has one for each of them."""

    metric: str
    columns: tuple[str, ...]
    budgets: Budgets

    def up_to(self, budget: Budget | None) -> Sequence[str]:
        """The columns of the budgets up to this one, of which None is the full one.

        Raises:
            ValueError: the table has no such budget.
        """
        each = self.budgets.each
        epochs = (budget or self.budgets.full).epochs
        if epochs not in each:
            raise ValueError(f"the table has no budget of {epochs}, but {', '.join(map(str, each))}")
        return self.columns[: each.index(epochs) + 1]


@cache
def curve_of(table: Table, pattern: str) -> TableCurve:
    """The curve of a pattern such as `val_loss_{}`. What was measured before the training, at 0, is none of it.

    Raises:
        UserError: no column is of the pattern.
    """
    columns = {epochs: name for epochs, name in table.numbered(pattern).items() if epochs > 0}
    if not columns:
        columns_there = ", ".join(table.columns[:12]) + (", …" if len(table.columns) > 12 else "")
        raise UserError(
            f"evaluator.curve: {table.path} has no column {pattern!r} with a number above 0 in place of {{}}; it has "
            f"{columns_there}"
        )
    if_one = (
        f"the curve {pattern!r} of {table.path} has one budget alone, that of the column {min(columns.values())!r}; "
        "give the table a column for another budget, name another curve, as --config.evaluator.curve=val_loss_{}"
    )
    return TableCurve(name_of(pattern), tuple(columns.values()), Budgets(tuple(columns), if_one))
