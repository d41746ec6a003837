"""How a search learns: the same view for the strategy, the finalists and the report."""

import jax
import numpy as np
import pytest
from histories import make_history
from scipy.stats import kendalltau

from nas_jax.errors import UserError
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.learner import Learner
from nas_jax.strategies.pools import scale_of
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.validation import cross_validate

SPACE = Categorical(genes=tuple((f"gene{i}", (1, 2, 4, 8)) for i in range(5)))
DRAWN = GaussianProcess(ard=False, hyperparameters="drawn", scale_inputs=False, warp="identity")


def measured(num, seed=0, failed=0):
    """Most of the score hangs on how large the first genes are; a tenth of the networks is bad beyond measure."""
    rng = np.random.default_rng(seed)
    genomes = SPACE.sample(rng, num + failed)
    scores = [np.log2(genome[0]) + 0.5 * np.log2(genome[1]) + 0.1 * rng.normal() for genome in genomes[:num]]
    bad = rng.random(num) < 0.1
    scores = np.where(bad, -1000 * rng.random(num), scores)
    return make_history(genomes[:num], scores, genomes[num:])


class Sized(Categorical):
    """The same space, with a feature in units of its own that says nothing."""

    @property
    def feature_genes(self):
        return (*super().feature_genes, "noise")

    def encode(self, genomes):
        noise = [np.random.default_rng(abs(hash(genome))).normal() * 1e5 for genome in genomes]
        return np.column_stack([super().encode(genomes), np.array(noise, np.float32)])


def test_cross_validation_judges_what_the_search_uses_and_not_raw_features_and_scores():
    history, space = measured(60), Sized(genes=SPACE.genes)
    learner = Learner(space, DRAWN, "ranks")
    as_searched = [prediction.mean for prediction in learner.cross_validate(history, seed=0)]
    raw = cross_validate(DRAWN, jax.random.key(0), space.encode(history.genomes), history.scores)
    tau, raw_tau = (kendalltau(means, history.scores).statistic for means in (as_searched, np.asarray(raw.mean)))
    assert tau > raw_tau + 0.1


def test_held_out_trials_leave_no_trace():
    """A score that changes cannot change its own prediction, not even through ranks."""
    history = measured(30)
    learner = Learner(SPACE, DRAWN, "ranks")
    before = learner.cross_validate(history, seed=3, num_folds=30)
    place = int(np.argmax(history.scores))
    values = history.values.copy()
    values[place] = -5000.0
    after = learner.cross_validate(history._replace(values=values), seed=3, num_folds=30)
    assert after[place] == before[place]
    assert after != before


def test_failures_count_as_the_worst_score():
    history = measured(20, failed=5)
    targets = Learner(SPACE, DRAWN, "scores").targets_of(history)
    np.testing.assert_array_equal(targets.values[:20], history.scores)
    np.testing.assert_array_equal(targets.values[20:], history.scores.min())


def test_a_mixture_of_fits_has_the_moments_of_its_members():
    history = measured(30)
    learner = Learner(SPACE, DRAWN, "scores")
    x = SPACE.encode(history.genomes)
    x = scale_of(x)(x)

    key = jax.random.key(0)
    each = []
    for number in range(8):
        state, _ = learner.fit(jax.random.fold_in(key, number), x, history)
        posterior = DRAWN.predict(state, x[:4], with_noise=True)
        each.append((np.asarray(posterior.mean), np.asarray(posterior.std)))
    for num, mixture in zip((4, 8), learner.mixtures(key, x, history, x[:4]), strict=False):
        means, stds = (np.array([member[part] for member in each[:num]]) for part in (0, 1))
        np.testing.assert_allclose([p.mean for p in mixture], means.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose([p.std**2 for p in mixture], means.var(axis=0) + (stds**2).mean(axis=0), rtol=1e-5)


def test_too_few_trials_and_unknown_targets_are_refused():
    with pytest.raises(ValueError, match="two folds and two trials"):
        Learner(SPACE, DRAWN).cross_validate(measured(1), seed=0)
    with pytest.raises(ValueError, match="unknown targets 'quantiles'; choose from ranks, scores, log_errors"):
        Learner(SPACE, DRAWN, "quantiles")


def test_targets_that_a_surrogate_refuses_name_the_fields_to_change():
    bounded = GaussianProcess(warp="log_distance", upper_bound=0.5)
    with pytest.raises(UserError, match=r"y must be below upper_bound.*set another --config\.targets, or another"):
        Learner(SPACE, bounded, "scores").cross_validate(measured(10), seed=0)


def test_the_surrogate_is_told_which_gene_decides_a_feature():
    """Of the drawn lengthscales those of all shares are equal (one label), and those of the genes' ranks differ."""
    learner = Learner(SPACE, GaussianProcess(hyperparameters="drawn", scale_inputs=False))
    history = measured(40)
    x = learner.features(history, np.random.default_rng(0))
    lengthscales = learner.fit(jax.random.key(0), x, history).state.lengthscales
    shares, ranks = lengthscales[25:], lengthscales[20:25]
    np.testing.assert_allclose(shares, shares[0], rtol=1e-12)
    assert len(set(ranks)) == 5
