"""The marginal effect of each choice of a gene: what it adds on average over all other genes, and how sure that is."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from nas_jax.importance.points import Points
from nas_jax.importance.study import Study
from nas_jax.surrogates.capabilities import Sampler, sampler_of

_NUM_DRAWS = 256
_NUM_JOINT = 1000  # points of a joint draw, which costs their factorisation
_MIN_BASE = 8


class Effect(NamedTuple):
    """What a choice adds to the mean over all choices of its gene, in units of the targets, and its deviation."""

    gene: str
    choice: Any
    mean: float
    std: float


def marginal_effects(study: Study, num_base: int = 512) -> list[Effect]:
    """The main effect of every choice, by gene.

    The partial dependence of the posterior mean (Friedman, "Greedy function approximation: a gradient boosting
    machine", Annals of Statistics 29, 2001, section 8.2) over `num_base` random points, the same for all choices of a
    gene, less its mean over the choices.

    The deviation is that of the posterior of this mean, from joint draws of the function, where the surrogate has them.
    Else it is that of a delete-a-group jackknife over the folds: (k - 1) / k times the sum of squared distances of the
    k folds' effects from their mean.
    """
    points, fitted = study.points, study.fitted
    base, sampler = points.sample(study.rng, num_base), sampler_of(fitted.surrogate, fitted.state)
    effects = []
    for gene, name in enumerate(points.names):
        choices = points.choices(gene)
        if len(choices) < 2:
            continue
        features = _features(points, base, gene)
        means = _centred(fitted.mean(features.reshape(-1, features.shape[2])).reshape(features.shape[:2]))
        if sampler is None:
            stds = _jackknife_std(study, features)
        else:
            stds = _posterior_std(study, sampler, jax.random.fold_in(study.key, gene), features)
        for (choice, _), mean, std in zip(choices, means.tolist(), stds.tolist(), strict=True):
            effects.append(Effect(name, choice, mean, std))
    return effects


def _features(points: Points, base: Float[np.ndarray, "b c"], gene: int) -> Float[np.ndarray, "k b2 d"]:
    """Those of the base with each of the gene's k choices, where they are genomes with every choice."""
    rows: Sequence[Any] = [row for _, row in points.choices(gene)]
    changed = np.repeat(base[None], len(rows), axis=0)  # [k, b, c]
    for place, row in enumerate(rows):
        changed[place][:, points.columns[gene]] = row
    features = points.features(changed.reshape(-1, base.shape[1])).reshape(len(rows), len(base), -1)
    return features[:, ~np.isnan(features).any(axis=(0, 2))]


def _centred(values: Float[np.ndarray, "*s k b"]) -> Float[np.ndarray, "*s k"]:
    """Means over the base, less their mean over the choices."""
    means = values.mean(axis=-1)
    return means - means.mean(axis=-1, keepdims=True)


def _jackknife_std(study: Study, features: Float[np.ndarray, "k b d"]) -> Float[np.ndarray, " k"]:
    flat = features.reshape(-1, features.shape[2])
    by_fold = np.array([_centred(fold.fitted.mean(flat).reshape(features.shape[:2])) for fold in study.folds])
    return np.sqrt((len(study.folds) - 1) * by_fold.var(axis=0))


def _posterior_std(
    study: Study, sample: Sampler, key: jax.Array, features: Float[np.ndarray, "k b d"]
) -> Float[np.ndarray, " k"]:
    num_choices, num_base, num_features = features.shape
    num_base = min(num_base, max(_MIN_BASE, _NUM_JOINT // num_choices))
    x = study.scale(features[:, :num_base].reshape(-1, num_features).astype(np.float32))
    draws = np.asarray(sample(key, x, _NUM_DRAWS), np.float64)
    return _centred(draws.reshape(_NUM_DRAWS, num_choices, num_base)).std(axis=0)
