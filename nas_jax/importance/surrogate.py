"""What a surrogate says of the genes: relevance, Sobol indices of its posterior mean, permutation importance."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nas_jax.importance.points import ChoicePoints
from nas_jax.importance.sobol import Sobol, estimated_sobol, exact_sobol
from nas_jax.importance.study import Fold, Study
from nas_jax.surrogates.capabilities import lengthscales_of


class Permutation(NamedTuple):
    """The loss of R² for each gene: mean and deviation over the repetitions. `r2` is that of no permutation."""

    mean: Float[np.ndarray, " g"]
    std: Float[np.ndarray, " g"]
    r2: float


def relevance(study: Study) -> dict[str, float] | None:
    """Each gene's share of the inverse squared lengthscales, summed over its features; None without a scale for each.

    So a gene with many features has a part in many: compare genes with as many choices. Features that no trial varies
    do not count, for nothing was learned of them.
    """
    lengthscales = lengthscales_of(study.fitted.surrogate, study.fitted.state)
    if lengthscales is None:
        return None
    weights = np.where(np.ptp(study.x, axis=0) > 0, np.asarray(lengthscales, np.float64) ** -2.0, 0.0)
    sums = dict.fromkeys(study.space.feature_genes, 0.0)
    for name, weight in zip(study.space.feature_genes, weights.tolist(), strict=True):
        sums[name] += weight
    whole = sum(sums.values()) or 1.0
    return {name: value / whole for name, value in sums.items()}


def surrogate_sobol(study: Study, num_samples: int = 4096, max_exact: int = 20_000) -> Sobol:
    """The indices of the posterior mean over independent, uniform genes.

    Exact where the points are at most `max_exact` and all of them genomes, else estimated from two samples of
    `num_samples`.
    """
    points, fitted, rng = study.points, study.fitted, study.rng
    if isinstance(points, ChoicePoints) and points.num_points <= max_exact:
        values = fitted.mean(points.features(points.all()))
        if not np.isnan(values).any():
            return exact_sobol(values.reshape(points.sizes))
    a, b = points.sample(rng, num_samples), points.sample(rng, num_samples)
    return estimated_sobol(lambda each: fitted.mean(points.features(each)), a, b, points.columns)


def permutation_importance(study: Study, num_repeats: int = 10) -> Permutation:
    """How much worse held-out trials are predicted when one gene is shuffled among them.

    Scikit-learn's `permutation_importance` with R² (Breiman, "Random forests", Machine Learning 45, 2001), on the
    held-out trials of all folds together: R² of them less that after a permutation within each fold. A trial whose
    permuted genes are no genome is left out of that repetition.
    """
    points, trials, y, rng = study.points, study.trials, study.y, study.rng
    variance = y.var() or 1.0

    def squared_error(fold: Fold, moved: Float[np.ndarray, "h c"]) -> Float[np.ndarray, " h"]:
        return (fold.fitted.mean(points.features(moved)) - y[fold.held_out]) ** 2

    base = [squared_error(fold, trials[fold.held_out]) for fold in study.folds]
    losses = np.empty((len(points.columns), num_repeats))
    for gene, columns in enumerate(points.columns):
        for repeat in range(num_repeats):
            more = []
            for fold, own in zip(study.folds, base, strict=True):
                moved = trials[fold.held_out]
                moved[:, columns] = rng.permutation(moved[:, columns])
                more.append(squared_error(fold, moved) - own)
            losses[gene, repeat] = np.nanmean(np.concatenate(more)) / variance
    r2 = 1 - float(np.nanmean(np.concatenate(base))) / variance
    return Permutation(losses.mean(axis=1), losses.std(axis=1), r2)
