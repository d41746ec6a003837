"""Bayesian optimisation against brute force on small spaces."""

import jax
import numpy as np
import pytest
from fakes import Numbers
from histories import make_history, with_result

from nas_jax.errors import UserError
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.bayesopt import ACQUISITIONS, Bayesopt
from nas_jax.strategies.pools import make_pool
from nas_jax.strategies.targets import targets_of
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.random_forest import RandomForest

DRAWN = GaussianProcess(ard=False, hyperparameters="drawn", scale_inputs=False, warp="identity")
SPACE = Categorical(genes=tuple((f"gene{i}", ("a", "b", "c", "d")) for i in range(5)))  # 1,024 genomes
EMPTY = make_history()


def value(genome):
    """Additive with one interaction; the optimum is (d, d, d, d, d)."""
    numbers = ["abcd".index(gene) for gene in genome]
    return sum(numbers) + 2.0 * (numbers[0] == numbers[1] == 3)


def searched(strategy, num, seed, batch=1, measure=value):
    history = EMPTY
    while len(history.genomes) < num:
        rng = np.random.default_rng((seed, len(history.genomes)))
        for proposal in strategy.propose(rng, history, batch):
            history = with_result(history, proposal.genome, measure(proposal.genome))
    return history


@pytest.mark.parametrize("batch", [1, 5])
def test_it_finds_the_best_of_a_thousand_in_forty(batch):
    """Random search does so with a chance of 4 % each time."""
    for seed in range(3):
        assert searched(Bayesopt(SPACE, DRAWN), 40, seed, batch).scores.max() == 17.0


def test_any_surrogate_will_do():
    assert searched(Bayesopt(SPACE, RandomForest()), 40, 0).scores.max() >= 16.0


@pytest.mark.parametrize("acquisition", ACQUISITIONS)
def test_any_acquisition_will_do(acquisition):
    found = searched(Bayesopt(SPACE, DRAWN, acquisition=acquisition), 40, 0).scores
    random = [value(genome) for genome in SPACE.sample(np.random.default_rng(0), 40)]
    assert found.max() > np.max(random)


def test_ranks_make_it_indifferent_to_the_scale_of_scores():
    history = searched(Bayesopt(SPACE, DRAWN), 15, 0)
    bent = history._replace(values=-np.exp(-history.values))
    first, second = (Bayesopt(SPACE, DRAWN).propose(np.random.default_rng(7), past, 3) for past in (history, bent))
    assert [proposal.genome for proposal in first] == [proposal.genome for proposal in second]
    by_score = Bayesopt(SPACE, DRAWN, targets="scores")
    first, second = (by_score.propose(np.random.default_rng(7), past, 3) for past in (history, bent))
    assert [proposal.genome for proposal in first] != [proposal.genome for proposal in second]


def test_failures_keep_it_away():
    """All genomes whose first gene is d fail; after a few of them it asks for hardly any more."""
    genomes = [genome for genome in SPACE.sample(np.random.default_rng(0), 40) if genome[0] != "d"]
    failed = [genome for genome in SPACE.sample(np.random.default_rng(1), 60) if genome[0] == "d"]
    history = make_history(genomes, [value(genome) for genome in genomes], failed)
    for seed in range(5):
        (proposal,) = Bayesopt(SPACE, DRAWN).propose(np.random.default_rng(seed), history, 1)
        assert proposal.genome[0] != "d"


def test_what_is_pending_is_avoided_with_its_surroundings():
    history = searched(Bayesopt(SPACE, DRAWN), 20, 0)
    (alone,) = Bayesopt(SPACE, DRAWN).propose(np.random.default_rng(3), history, 1)
    (other,) = Bayesopt(SPACE, DRAWN).propose(np.random.default_rng(3), history._replace(pending=(alone.genome,)), 1)
    assert other.genome != alone.genome


def test_predictions_are_of_scores_and_honest():
    """Noise of known size on a smooth function: most measurements lie within two predicted deviations."""
    noise = {genome: 0.5 * np.random.default_rng(i).normal() for i, genome in enumerate(SPACE.genomes())}
    strategy, history, inside = Bayesopt(SPACE, DRAWN), EMPTY, []
    for position in range(60):
        (proposal,) = strategy.propose(np.random.default_rng((0, position)), history, 1)
        score = value(proposal.genome) + noise[proposal.genome]
        if proposal.predictions and position >= 20:
            ((mean, std),) = proposal.predictions
            inside.append(abs(score - mean) < 2 * std)
        history = with_result(history, proposal.genome, score)
    assert np.mean(inside) > 0.8


def test_a_space_too_large_to_enumerate_is_searched_by_mutants_crossovers_and_draws():
    big = Categorical(genes=tuple((f"gene{i}", ("a", "b", "c", "d")) for i in range(12)))  # 16.8 million

    def sum_of(genome):
        return float(sum("abcd".index(gene) for gene in genome))

    found = searched(Bayesopt(big, DRAWN, num_candidates=300), 60, 0, measure=sum_of).scores
    assert found.max() >= 33  # of 36; the best of 60 random genomes has 27 or so


def test_the_pool_of_an_enumerated_space_is_all_that_is_untried():
    space = Numbers(30)
    history = make_history([(3,), (5,)], [1.0, 2.0], [(7,)], [(9,)])
    pool = make_pool(space, np.random.default_rng(0), history, 10, max_enumerated=100)
    assert set(pool.candidates) == set(space.genomes()) - history.known
    np.testing.assert_allclose(pool.known[:, 0], np.array([3, 5, 7, 9]) / 29, rtol=1e-6)
    np.testing.assert_allclose(pool.x[:, 0], [genome[0] / 29 for genome in pool.candidates], rtol=1e-6)


def test_a_log_from_a_larger_space_is_still_of_use():
    history = make_history([(3,), (45,)], [1.0, 2.0])
    pool = make_pool(Numbers(30), np.random.default_rng(0), history, 10, max_enumerated=100)
    assert len(pool.candidates) == 29
    assert pool.known.max() == 1.0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"acquisition": "luck"}, "unknown acquisition 'luck'; choose from expected_improvement"),
        ({"targets": "quantiles"}, "unknown targets 'quantiles'; choose from ranks, scores"),
        ({"num_initial": 0}, "at least 1"),
    ],
)
def test_wrong_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        Bayesopt(SPACE, DRAWN, **setting)


DEVIATIONS = np.linspace(-8, 8, 4001)
DENSITY = np.exp(-0.5 * DEVIATIONS**2) / np.sqrt(2 * np.pi)


def upper_bound(mean, std, best):
    return mean + 2 * std


def expected_improvement(mean, std, best):
    """Over the largest mean, by quadrature."""
    improvement = np.maximum(mean[:, None] + std[:, None] * DEVIATIONS - mean.max(), 0)
    return np.trapezoid(improvement * DENSITY, DEVIATIONS, axis=1)


def probability_of_improvement(mean, std, best):
    """Over the best target, by quadrature."""
    return np.trapezoid((mean[:, None] + std[:, None] * DEVIATIONS > best) * DENSITY, DEVIATIONS, axis=1)


@pytest.mark.parametrize(
    ("settings", "values_of"),
    [
        ({}, upper_bound),
        ({"acquisition": "expected_improvement"}, expected_improvement),
        ({"acquisition": "probability_of_improvement"}, probability_of_improvement),
    ],
)
def test_the_choice_maximises_the_acquisition(settings, values_of):
    """By brute force over all candidates."""
    strategy = Bayesopt(SPACE, DRAWN, **settings)
    history = searched(strategy, 12, 0)
    (proposal,) = strategy.propose(np.random.default_rng(5), history, 1)
    rng = np.random.default_rng(5)
    pool = make_pool(SPACE, rng, history, 1000, 20_000, by_spread=True)
    targets = targets_of(history.scores, "ranks").values
    state = DRAWN.fit(jax.random.key(int(rng.integers(1 << 31))), pool.known, targets)
    posterior = DRAWN.predict(state, pool.x)
    mean, std = np.asarray(posterior.mean, float), np.asarray(posterior.std, float)
    values = values_of(mean, std, targets.max())
    assert values[pool.candidates.index(proposal.genome)] >= values.max() - 1e-4 * abs(values.max())
    assert values.max() > np.median(values)


def test_a_surrogate_that_refuses_the_targets_is_one_clear_line():
    bounded = GaussianProcess(warp="log_distance", upper_bound=0.5)
    history = searched(Bayesopt(SPACE, DRAWN), 10, 0)
    with pytest.raises(UserError, match=r"surrogate: .*targets='ranks'"):
        Bayesopt(SPACE, bounded).propose(np.random.default_rng(0), history, 1)
