"""The stages of a run that write what people read."""

from nas_jax.report.card import write_card
from nas_jax.report.write import write_report
from nas_jax.run import Run
from nas_jax.search.winner import check_exported


def card(run: Run) -> None:
    """Writes the card of the exported network, and of each point of a front, if one was trained.

    Raises:
        UserError: nothing was exported.
    """
    if run.parts.problem is not None and run.parts.finals.recipe is not None:
        check_exported(run, "card")
        for folder in (run.best, *(sorted(run.front.iterdir()) if run.front.exists() else ())):
            write_card(run.workdir, run.parts.problem.task, folder)


def report(run: Run) -> None:
    """Writes the report."""
    write_report(run.workdir, run.parts)
