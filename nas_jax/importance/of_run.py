"""The study of a run's search, as its parts say it."""

import dataclasses
from collections.abc import Sequence

from nas_jax.errors import UserError
from nas_jax.importance.study import MIN_TRIALS, Study
from nas_jax.objectives import Objective, Objectives
from nas_jax.parts import Parts
from nas_jax.spaces.base import GeneSpace, Space
from nas_jax.strategies.learner import Learner
from nas_jax.trial import Trial


def study_of(parts: Parts, searched: Sequence[Trial], objective: Objective, targets: str | None = None) -> Study:
    """The study of one objective.

    Args:
        searched: the trials of the search, of which those that are `studied` count.
        targets: what the surrogate learns, see `strategies/targets.py`; None: what it learned in the run.

    Raises:
        UserError: fewer than ten trials have a score after one budget, or a space without genes.
    """
    space = gene_space(parts.space)
    history = Objectives((objective,)).history(studied(searched, objective))
    if len(history.genomes) < MIN_TRIALS:
        raise UserError(f"{too_few(len(history.genomes), searched)}, and importance needs {MIN_TRIALS} of them")
    learner = parts.learner
    learner = learner.of(objective.metric) if targets is None else dataclasses.replace(learner, targets=targets)
    return Study(space, of_genes_alone(learner, space), history, parts.seed)


def of_genes_alone(learner: Learner, space: GeneSpace) -> Learner:
    """The learner of a search on the space's own features: those of a section `features` are of no gene."""
    return dataclasses.replace(learner, space=space)


def studied(searched: Sequence[Trial], objective: Objective) -> list[Trial]:
    """The trials of a search of which importance is asked: those of one budget, and those that failed.

    The budget is the largest one that ten genomes had or, where none was, the largest of all.
    """
    objectives = Objectives((objective,))
    compared = objectives.comparable(searched, fewest=MIN_TRIALS) or objectives.comparable(searched)
    return [*(trial for trial, _ in compared), *(trial for trial in searched if objectives.has_failed(trial))]


def too_few(num: int, searched: Sequence[Trial]) -> str:
    """How many trials have a score, as a clause."""
    after = " after one budget" if any(trial.budget for trial in searched) else ""
    return f"{num} trials have a score{after}"


def gene_space(space: Space) -> GeneSpace:
    """The space, if it knows its genes.

    Raises:
        UserError: it does not.
    """
    if not isinstance(space, GeneSpace):
        raise UserError(
            f"the space {type(space).__name__} does not name its genes; give it gene_choices, feature_genes, genes_of "
            "and express (docs/importance.md)"
        )
    return space
