"""The importance of genes in a run, and ablations of its winner."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_jax.errors import UserError
from nas_jax.importance.ablation import Ablation, ablate
from nas_jax.importance.measures import Importance, measure_importance
from nas_jax.parts import Parts
from nas_jax.spaces.base import GeneSpace, Space
from nas_jax.store import TrialStore
from nas_jax.strategies.targets import targets_of
from nas_jax.trial import Trial

MIN_TRIALS = 10


def importance_of_run(
    parts: Parts, trials: Sequence[Trial], *, seed: int, targets: str | None = None, **settings: Any
) -> Importance:
    """The importance of genes in a run.

    Args:
        trials: those of the search.
        targets: "scores" or "ranks", as in `strategies/targets.py`; None: what the run's finalists were picked by.
        settings: of `measure_importance`.

    Raises:
        UserError: fewer than ten trials have a score, a space without genes, or scores that the surrogate refuses.
    """
    space = gene_space(parts.space)
    history = parts.objective.history(trials)
    if len(history.genomes) < MIN_TRIALS:
        raise UserError(f"{len(history.genomes)} trials have a score, and importance needs {MIN_TRIALS} of them")
    y = targets_of(history.scores, targets or parts.final_settings.targets).values
    return measure_importance(space, parts.surrogate, history.genomes, y, seed=seed, **settings)


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


def ablate_run(
    parts: Parts, workdir: Path, searched: Sequence[Trial], winner: Trial, num: int, seed: int
) -> list[Ablation]:
    """Ablations of the winner; they are kept in `ablation.jsonl` of the working directory."""
    with TrialStore(workdir / "ablation.jsonl") as store:
        space, evaluator = gene_space(parts.space), parts.search_evaluator
        return ablate(space, evaluator, parts.objective, store, searched, winner.genome, num, seed=seed)
