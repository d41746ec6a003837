"""What every search asks of the proposals that a strategy returns, its own or a user's."""

from typing import Any

from nas_jax.errors import UserError
from nas_jax.hints import python_value
from nas_jax.strategies.base import Proposal
from nas_jax.trial import Budget, Genome, History, Prediction


def checked_proposals(proposals: Any, history: History, num: int, strategy: str) -> list[Proposal]:
    """The proposals, in a list.

    Raises:
        UserError: no sequence of at most `num` proposals, or one of them is of what has been proposed before.
    """
    if not isinstance(proposals, list | tuple) or not all(isinstance(each, Proposal) for each in proposals):
        raise UserError(f"{strategy}.propose has to return a list of nas_jax.strategies.base.Proposal")
    if len(proposals) > num:
        raise UserError(f"{strategy}.propose has returned {len(proposals)} proposals, and was asked for {num}")
    known = _budgets_of(history)
    for proposal in proposals:
        genome, budget, continues = proposal[:3]
        try:
            given = known.setdefault(genome, set())
        except TypeError:
            raise UserError(f"{strategy} proposes {genome!r}, which does not hash: a genome is a tuple") from None
        if budget is not None and not isinstance(budget, Budget):
            raise UserError(f"{strategy} proposes the budget {budget!r}; a nas_jax.trial.Budget or None is wanted")
        if continues is None and (budget in given or genome in history.failed):
            raise UserError(f"{strategy} proposes {genome!r} once more; a genome is new, or gets another budget")
        given.add(budget)
    return [_plain(proposal) for proposal in proposals]


def _plain(proposal: Proposal) -> Proposal:
    """Without numbers of NumPy, which JSON does not have."""
    predictions = tuple(Prediction(float(mean), float(std)) for mean, std in proposal.predictions)
    details = {name: python_value(value) for name, value in proposal.details.items()}
    return proposal._replace(predictions=predictions, details=details)


def _budgets_of(history: History) -> dict[Genome, set[Budget | None]]:
    """With which budgets a genome has finished or is measured now."""
    pending_budgets = history.pending_budgets or (None,) * len(history.pending)
    given: dict[Genome, set[Budget | None]] = {}
    for genomes, budgets in ((history.genomes, history.budgets), (history.pending, pending_budgets)):
        for genome, budget in zip(genomes, budgets, strict=True):
            given.setdefault(genome, set()).add(budget)
    return given
