"""All measures of importance that need no further measurement, from the trials of a search."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nas_jax.importance.effects import Effect, marginal_effects
from nas_jax.importance.points import ChoicePoints
from nas_jax.importance.study import Study
from nas_jax.importance.surrogate import permutation_importance, relevance, surrogate_sobol


class Estimate(NamedTuple):
    """A number and its deviation: zero where it is exact, NaN where it is not known."""

    value: float
    std: float


class Importance(NamedTuple):
    """By measure, then by gene. Not every measure knows every gene."""

    measures: dict[str, dict[str, Estimate]]
    effects: list[Effect]
    r2: float  # of held-out trials: what the surrogate's opinion is worth


def measure_importance(study: Study, *, num_samples: int = 4096, with_optuna: bool = False) -> Importance:
    """All that can be said without measuring anything.

    Args:
        num_samples: points of each of the two samples, where Sobol indices cannot be exact.

    Raises:
        UserError: the surrogate refuses the data.
    """
    names = study.points.names
    sobol, permuted = surrogate_sobol(study, num_samples), permutation_importance(study)
    measures = {
        "sobol first": _by_gene(names, sobol.first, sobol.first_std_error),
        "sobol total": _by_gene(names, sobol.total, sobol.total_std_error),
        "permutation": _by_gene(names, permuted.mean, permuted.std),
    }
    if (shares := relevance(study)) is not None:
        measures["relevance"] = _without_std(shares)
    if with_optuna:
        from nas_jax.importance.optuna import optuna_importances

        by_choice = ChoicePoints(study.space)
        choices = {name: study.space.gene_choices[name] for name in by_choice.names}
        places = by_choice.points_of(study.rng, study.history.genomes)
        found = optuna_importances(choices, places, study.y, seed=study.seed)
        measures |= {measure: _without_std(shares) for measure, shares in found.items()}
    return Importance(measures, marginal_effects(study), permuted.r2)


def _by_gene(
    names: Sequence[str], values: Float[np.ndarray, " g"], stds: Float[np.ndarray, " g"]
) -> dict[str, Estimate]:
    return {name: Estimate(*pair) for name, *pair in zip(names, values.tolist(), stds.tolist(), strict=True)}


def _without_std(values: dict[str, float]) -> dict[str, Estimate]:
    return {name: Estimate(value, float("nan")) for name, value in values.items()}
