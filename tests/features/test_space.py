"""A space with features beside: what surrogates see, and what strategies make of a limit and of gaps."""

from dataclasses import dataclass

import numpy as np
import pytest
from fakes import Numbers
from histories import make_history

from nas_jax.features.base import Features, at_most
from nas_jax.features.space import with_features
from nas_jax.spaces.base import GeneSpace
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.bayesopt import Bayesopt
from nas_jax.strategies.learner import Learner
from nas_jax.strategies.pools import make_pool, scale_of
from nas_jax.surrogates.gaussian_process import GaussianProcess

SPACE = Categorical(genes=tuple((f"gene{i}", (1, 2, 4, 8)) for i in range(5)))


@dataclass(frozen=True)
class Hidden:
    """A number that the genes say nothing of; every seventh genome lacks it. Notes who is asked for."""

    limit: int | None = None
    asked: tuple[list, ...] = ([],)  # a list, which does not hash, within what is compared by identity

    def __hash__(self):
        return id(self.asked[0])

    @property
    def names(self):
        return ("hidden",)

    def of(self, genomes):
        self.asked[0].extend(genomes)
        return np.array([[np.nan if self.number(genome) % 7 == 0 else self.number(genome)] for genome in genomes])

    @staticmethod
    def number(genome):
        return int(np.random.default_rng([*genome]).integers(1000))


def test_without_features_the_space_is_itself():
    assert with_features(SPACE, None) is SPACE


def test_features_and_whether_one_is_missing_stand_behind():
    hidden, genomes = Hidden(), SPACE.sample(np.random.default_rng(0), 50)
    seen = with_features(SPACE, hidden)
    encoded = seen.encode(genomes)
    np.testing.assert_array_equal(encoded[:, :-2], SPACE.encode(genomes))
    np.testing.assert_array_equal(encoded[:, -2:-1], hidden.of(genomes).astype(np.float32))
    assert 0 < encoded[:, -1].sum() == np.isnan(encoded).sum()
    assert isinstance(hidden, Features)
    assert isinstance(seen, GeneSpace)
    assert len(seen.feature_genes) == encoded.shape[1]
    assert not set(seen.feature_genes[-2:]) & set(seen.gene_choices)
    assert not isinstance(with_features(Numbers(), hidden), GeneSpace)


def test_the_mean_of_what_is_known_stands_for_what_is_missing():
    features = np.array([[1.0, np.nan], [np.nan, np.nan], [4.0, np.nan]])
    np.testing.assert_allclose(scale_of(features)(features), [[0, 0], [0.5, 0], [1, 0]])


@pytest.mark.parametrize("by_spread", [False, True])
def test_the_scale_of_complete_features_is_as_without_gaps(by_spread):
    features = np.random.default_rng(0).normal(size=(20, 3))
    scaled = scale_of(features, by_spread)(features)
    unit = features.std(axis=0) if by_spread else np.ptp(features, axis=0)
    np.testing.assert_allclose(scaled, (features - features.min(axis=0)) / unit)


@pytest.mark.parametrize("max_enumerated", [0, 20_000])
def test_a_limit_bounds_the_genomes_that_are_asked_for(max_enumerated):
    hidden = Hidden(limit=30, asked=([],))
    seen = with_features(SPACE, hidden)
    tried = SPACE.sample(np.random.default_rng(0), 12)
    pool = make_pool(seen, np.random.default_rng(1), make_history(tried, range(12)), 1000, max_enumerated)
    assert len(pool.candidates) == at_most(seen, 1000) == 30
    assert len(set(hidden.asked[0]) - set(tried)) <= 30
    assert np.isfinite(pool.x).all()


def test_a_surrogate_ranks_better_with_what_the_genes_do_not_say():
    seen, history = with_features(SPACE, Hidden()), None
    genomes = SPACE.sample(np.random.default_rng(0), 40)
    history = make_history(genomes, [float(Hidden.number(genome)) for genome in genomes])
    surrogate = GaussianProcess(ard=False, num_starts=1, scale_inputs=False, warp="identity")

    def error(space):
        predicted = Learner(space, surrogate, "scores").cross_validate(history, seed=0)
        return np.mean([abs(each.mean - value) for each, value in zip(predicted, history.scores, strict=True)])

    assert error(seen) < 0.6 * error(SPACE)


def test_a_strategy_searches_with_features():
    seen = with_features(SPACE, Hidden(limit=40, asked=([],)))
    genomes = SPACE.sample(np.random.default_rng(0), 20)
    history = make_history(genomes, [float(Hidden.number(genome)) for genome in genomes])
    proposals = Bayesopt(seen).propose(np.random.default_rng(0), history, 2)
    assert len({proposal.genome for proposal in proposals} - set(genomes)) == 2
    again = Bayesopt(seen).propose(np.random.default_rng(0), history, 2)
    assert [proposal.genome for proposal in again] == [proposal.genome for proposal in proposals]
