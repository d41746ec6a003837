"""All measures of importance that need no further measurement, from the trials of a search."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from nas_jax.importance.effects import Effect, marginal_effects
from nas_jax.importance.points import ChoicePoints, points_for
from nas_jax.importance.surrogate import (
    fit,
    fit_folds,
    permutation_importance,
    relevance,
    scale_of,
    surrogate_sobol,
)
from nas_jax.spaces.base import GeneSpace
from nas_jax.surrogates.base import Surrogate
from nas_jax.trial import Genome


class Estimate(NamedTuple):
    """A number and its deviation: zero where it is exact, NaN where it is not known."""

    value: float
    std: float


class Importance(NamedTuple):
    """By measure, then by gene. Not every measure knows every gene."""

    measures: dict[str, dict[str, Estimate]]
    effects: list[Effect]
    r2: float  # of held-out trials: what the surrogate's opinion is worth


def measure_importance(
    space: GeneSpace,
    surrogate: Surrogate,
    genomes: Sequence[Genome],
    y: Float[np.ndarray, " n"],
    *,
    seed: int,
    num_samples: int = 4096,
    num_folds: int = 5,
    with_optuna: bool = False,
) -> Importance:
    """All that can be said without measuring anything.

    Args:
        genomes: what was measured, and `y` with which result; higher is better.
        num_samples: points of each of the two samples, where Sobol indices cannot be exact.
        num_folds: folds whose held-out trials judge permutations.

    Raises:
        UserError: the surrogate refuses the data.
    """
    rng, key = np.random.default_rng(seed), jax.random.key(seed)
    points = points_for(space, rng)
    features = space.encode(genomes).astype(np.float64)
    fitted = fit(surrogate, key, scale_of(space, rng, genomes), features, y)
    folds = fit_folds(fitted, key, num_folds)
    sobol = surrogate_sobol(fitted, points, rng, num_samples)
    permuted = permutation_importance(folds, points, points.points_of(rng, genomes), y, rng)
    measures = {
        "sobol first": _by_gene(points.names, sobol.first, sobol.first_std_error),
        "sobol total": _by_gene(points.names, sobol.total, sobol.total_std_error),
        "permutation": _by_gene(points.names, permuted.mean, permuted.std),
    }
    if (shares := relevance(fitted, space.feature_genes)) is not None:
        measures["relevance"] = _without_std(shares)
    if with_optuna:
        from nas_jax.importance.optuna import optuna_importances

        by_choice = ChoicePoints(space)
        choices = {name: space.gene_choices[name] for name in by_choice.names}
        found = optuna_importances(choices, by_choice.points_of(rng, genomes), y, seed=seed)
        measures |= {measure: _without_std(shares) for measure, shares in found.items()}
    return Importance(measures, marginal_effects(fitted, folds, points, rng, key), permuted.r2)


def _by_gene(
    names: Sequence[str], values: Float[np.ndarray, " g"], stds: Float[np.ndarray, " g"]
) -> dict[str, Estimate]:
    return {name: Estimate(*pair) for name, *pair in zip(names, values.tolist(), stds.tolist(), strict=True)}


def _without_std(values: dict[str, float]) -> dict[str, Estimate]:
    return {name: Estimate(value, float("nan")) for name, value in values.items()}
