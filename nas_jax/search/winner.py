"""The last stages of a run: the winner is chosen, exported, described and timed."""

from nas_jax.run import Run
from nas_jax.trial import CONTENDERS, Trial


def winner_of(run: Run) -> Trial | None:
    """What would be exported, None where no finalist has been measured."""
    front = run.parts.objectives.front(run.store.trials(*CONTENDERS))
    return front[0] if front else None
