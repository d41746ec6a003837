"""The stages of a run that write what people read."""

from nas_jax.report.card import write_card
from nas_jax.run import Run


def card(run: Run) -> None:
    """Writes the card of the exported network, if one was trained."""
    if run.parts.finals.recipe is not None:
        write_card(run.workdir)
