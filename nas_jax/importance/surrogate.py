"""What a surrogate says of the genes: relevance, Sobol indices of its posterior mean, permutation importance.

All of it is about the surrogate, and as good as that is: a gene that it did not notice has no importance here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from nas_jax.errors import UserError
from nas_jax.importance.points import ChoicePoints, Points
from nas_jax.importance.sobol import Sobol, estimated_sobol, exact_sobol
from nas_jax.spaces.base import Space
from nas_jax.surrogates.base import State, Surrogate
from nas_jax.trial import Genome


class Scale(NamedTuple):
    """Features in units of their range over many genomes, as the strategies scale them."""

    low: Float[np.ndarray, " d"]
    span: Float[np.ndarray, " d"]  # one for a feature that does not vary

    def __call__(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        return (features - self.low) / self.span


class Fitted(NamedTuple):
    """A surrogate, what it learned, and from what."""

    surrogate: Surrogate
    state: State
    scale: Scale
    x: Float[np.ndarray, "n d"]  # scaled
    y: Float[np.ndarray, " n"]

    def mean(self, features: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        """Posterior means; NaN for rows of NaN."""
        known = ~np.isnan(features).any(axis=1)
        means = np.full(len(features), np.nan)
        if known.any():
            means[known] = self.surrogate.predict(self.state, self.scale(features[known])).mean
        return means


class Fold(NamedTuple):
    """A fit to all trials but some."""

    fitted: Fitted
    held_out: Int[np.ndarray, " h"]


class Permutation(NamedTuple):
    """The loss of R² for each gene: mean and deviation over the repetitions. `r2` is that of no permutation."""

    mean: Float[np.ndarray, " g"]
    std: Float[np.ndarray, " g"]
    r2: float


def scale_of(space: Space, rng: np.random.Generator, genomes: Sequence[Genome], num: int = 1000) -> Scale:
    """The scale over `genomes` and `num` random ones."""
    x = space.encode([*genomes, *space.sample(rng, num)]).astype(np.float64)
    span = np.ptp(x, axis=0)
    return Scale(x.min(axis=0), np.where(span > 0, span, 1.0))


def fit(surrogate: Surrogate, key: jax.Array, scale: Scale, features: Float[np.ndarray, "n d"], y: Any) -> Fitted:
    """Fits the surrogate to targets `y` `[n]`.

    Raises:
        UserError: the surrogate refuses the data.
    """
    x = scale(features)
    try:
        state = surrogate.fit(key, x, y)
    except ValueError as error:
        raise UserError(f"surrogate: {error}; --targets=scores or --targets=ranks gives it other targets") from error
    return Fitted(surrogate, state, scale, x, y)


def fit_folds(fitted: Fitted, key: jax.Array, num_folds: int) -> list[Fold]:
    """The same surrogate fitted to all but one of `num_folds` random folds of its data, for each of them."""
    order = np.asarray(jax.random.permutation(key, len(fitted.y)))
    folds = []
    for number, held_out in enumerate(np.array_split(order, min(num_folds, len(order)))):
        seen = np.setdiff1d(order, held_out)
        state = fitted.surrogate.fit(jax.random.fold_in(key, number), fitted.x[seen], fitted.y[seen])
        folds.append(Fold(fitted._replace(state=state, x=fitted.x[seen], y=fitted.y[seen]), held_out))
    return folds


def relevance(fitted: Fitted, feature_genes: Sequence[str]) -> dict[str, float] | None:
    """Each gene's share of the inverse squared lengthscales, summed over its features, or None without ARD.

    So a gene with many features has a part in many: compare genes with as many choices. Features that no trial varies
    do not count, for nothing was learned of them.
    """
    if not getattr(fitted.surrogate, "ard", False) or not hasattr(fitted.state, "lengthscales"):
        return None
    weights = np.where(np.ptp(fitted.x, axis=0) > 0, np.asarray(fitted.state.lengthscales, np.float64) ** -2.0, 0.0)
    sums = dict.fromkeys(feature_genes, 0.0)
    for name, weight in zip(feature_genes, weights.tolist(), strict=True):
        sums[name] += weight
    whole = sum(sums.values()) or 1.0
    return {name: value / whole for name, value in sums.items()}


def surrogate_sobol(
    fitted: Fitted, points: Points, rng: np.random.Generator, num_samples: int = 4096, max_exact: int = 20_000
) -> Sobol:
    """The indices of the posterior mean over independent, uniform genes.

    Exact where the points are at most `max_exact` and all of them genomes, else estimated from two samples of
    `num_samples`.
    """
    if isinstance(points, ChoicePoints) and points.num_points <= max_exact:
        values = fitted.mean(points.features(points.all()))
        if not np.isnan(values).any():
            return exact_sobol(values.reshape(points.sizes))
    a, b = points.sample(rng, num_samples), points.sample(rng, num_samples)
    return estimated_sobol(lambda each: fitted.mean(points.features(each)), a, b, points.columns)


def permutation_importance(
    folds: Sequence[Fold],
    points: Points,
    trials: Float[np.ndarray, "n c"],
    y: Float[np.ndarray, " n"],
    rng: np.random.Generator,
    num_repeats: int = 10,
) -> Permutation:
    """How much worse held-out trials are predicted when one gene is shuffled among them.

    Scikit-learn's `permutation_importance` with R² (Breiman, "Random forests", Machine Learning 45, 2001), on the
    held-out trials of all folds together: R² of them less that after a permutation within each fold. A trial whose
    permuted genes are no genome is left out of that repetition.

    Args:
        trials: the points of the trials that the folds divide, and `y` what was measured of them.
    """
    variance = y.var() or 1.0

    def squared_error(fold: Fold, moved: Float[np.ndarray, "h c"]) -> Float[np.ndarray, " h"]:
        return (fold.fitted.mean(points.features(moved)) - y[fold.held_out]) ** 2

    base = [squared_error(fold, trials[fold.held_out]) for fold in folds]
    losses = np.empty((len(points.columns), num_repeats))
    for gene, columns in enumerate(points.columns):
        for repeat in range(num_repeats):
            more = []
            for fold, own in zip(folds, base, strict=True):
                moved = trials[fold.held_out]
                moved[:, columns] = rng.permutation(moved[:, columns])
                more.append(squared_error(fold, moved) - own)
            losses[gene, repeat] = np.nanmean(np.concatenate(more)) / variance
    r2 = 1 - float(np.nanmean(np.concatenate(base))) / variance
    return Permutation(losses.mean(axis=1), losses.std(axis=1), r2)
