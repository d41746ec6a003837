"""Functions of four genes whose importances are known, and what is found of them."""

from functools import cache

import numpy as np

from nas_jax.importance.measures import measure_importance
from nas_jax.importance.study import Study
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.learner import Learner
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.trial import History

# What each choice adds: the genes are named in the order of their importance.
EFFECTS = {
    "most": (-0.6, -0.2, 0.2, 0.6),
    "much": (0.4, -0.4, 0.4, -0.4),
    "some": (0.2, 0.2, -0.2, -0.2),
    "none": (0.0, 0.0, 0.0, 0.0),
}
# The same, but each gene has half the effect of the one before: a quarter of the variance.
APART = {
    "most": (-0.6, -0.2, 0.2, 0.6),
    "much": (0.22, -0.22, 0.22, -0.22),
    "some": (0.11, 0.11, -0.11, -0.11),
    "none": (0.0, 0.0, 0.0, 0.0),
}
NAMES = tuple(EFFECTS)
SPACE = Categorical(genes=tuple((name, tuple("abcd")) for name in NAMES))
SEEDS = range(10)


def true_score(genome, effects):
    return sum(effects[name]["abcd".index(choice)] for name, choice in zip(NAMES, genome, strict=True))


def true_shares():
    variances = np.array([np.var(effects) for effects in EFFECTS.values()])
    return variances / variances.sum()


def measured(seed, num=80, noise=0.05, effects=EFFECTS):
    rng = np.random.default_rng(seed)
    genomes = SPACE.sample(rng, num)
    return genomes, np.array([true_score(genome, effects) for genome in genomes]) + noise * rng.normal(size=num)


def study_of(genomes, y, surrogate=None, seed=0, num_folds=3, space=SPACE):
    """Of trials that all finished, whose scores are learned as they are."""
    places = tuple(range(len(y)))
    history = History(places, places, tuple(genomes), np.asarray(y)[:, None], (None,) * len(y), (), ())
    learner = Learner(space, surrogate or GaussianProcess(num_starts=1), "scores")
    return Study(space, learner, history, seed, num_folds)


@cache
def importance(seed, is_apart=False):
    """By a Gaussian process of 80 trials."""
    return measure_importance(study_of(*measured(seed, effects=APART if is_apart else EFFECTS), seed=seed))
