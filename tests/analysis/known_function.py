"""A function of four genes whose importances are known, and what is found of it."""

from functools import cache

import numpy as np

from nas_jax.analysis.importance_measures import measure_importance
from nas_jax.spaces.categorical import Categorical
from nas_jax.surrogates.gaussian_process import GaussianProcess

# What each choice adds: the genes are named in the order of their importance.
EFFECTS = {
    "most": (-0.6, -0.2, 0.2, 0.6),
    "much": (0.4, -0.4, 0.4, -0.4),
    "some": (0.2, 0.2, -0.2, -0.2),
    "none": (0.0, 0.0, 0.0, 0.0),
}
NAMES = tuple(EFFECTS)
SPACE = Categorical(genes=tuple((name, tuple("abcd")) for name in NAMES))
SEEDS = range(10)


def true_score(genome):
    return sum(EFFECTS[name]["abcd".index(choice)] for name, choice in zip(NAMES, genome, strict=True))


def true_shares():
    variances = np.array([np.var(effects) for effects in EFFECTS.values()])
    return variances / variances.sum()


def measured(seed, num=80, noise=0.05):
    rng = np.random.default_rng(seed)
    genomes = SPACE.sample(rng, num)
    return genomes, np.array([true_score(genome) for genome in genomes]) + noise * rng.normal(size=num)


@cache
def importance(seed):
    """By a Gaussian process of 80 trials."""
    return measure_importance(SPACE, GaussianProcess(num_starts=1), *measured(seed), seed=seed, num_folds=3)
