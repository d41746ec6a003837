"""Tests of differences: how often they see one that is not there, and one that is."""

import numpy as np
import pytest
from scipy import stats

from nas_jax.report.difference import of_examples, of_proportions, of_seeds

NUM = 2000


def rate(draw, test, num=NUM):
    """How often a test calls the difference of two drawn networks real."""
    found = [test(*draw()) for _ in range(num)]
    return np.mean([each is not None and each.is_real for each in found])


def of_means(first, second):
    """Welch's test over seeds, which knows nothing of examples."""
    return of_seeds(first.mean(axis=1).tolist(), second.mean(axis=1).tolist())


def seeds_of(rng, num, spread):
    return rng.normal(0, 1, num).tolist(), rng.normal(0, spread, num).tolist()


@pytest.mark.parametrize("spread", [2, 3])
def test_seeds_of_unequal_spread_raise_one_false_alarm_in_twenty(spread):
    rng = np.random.default_rng(0)
    assert 0.035 <= rate(lambda: seeds_of(rng, 3, spread), of_seeds) <= 0.06


def test_seeds_of_equal_spread_raise_no_more_and_two_standard_errors_raised_twice_as_many():
    """Of three seeds against three Welch's test is cautious, 3.4 %; two standard errors are exceeded in 11.5 %."""
    rng = np.random.default_rng(1)
    assert 0.025 <= rate(lambda: seeds_of(rng, 3, 1), of_seeds) <= 0.045
    a, b = rng.normal(size=(2, 20_000, 3))
    error = np.sqrt(a.var(axis=1, ddof=1) / 3 + b.var(axis=1, ddof=1) / 3)
    assert 0.105 <= np.mean(np.abs(a.mean(axis=1) - b.mean(axis=1)) > 2 * error) <= 0.125


def hits(rng, accuracies, num, shared):
    """Of two networks on the same examples, of which a part is as hard for both."""
    draws = rng.random((2, num))
    draws[1] = np.where(rng.random(num) < shared, draws[0], draws[1])
    return tuple((draw < accuracy).astype(float)[None] for draw, accuracy in zip(draws, accuracies, strict=True))


def test_seeds_that_are_equal_but_for_rounding_are_no_warning():
    """SciPy's own test warns of them; warnings are errors here."""
    first, second = [0.9895470738410950, 0.9895470738410950, 0.9895470738410951], [0.98, 0.99, 0.985]
    assert of_seeds(first, second).p > 0.05


def test_pairs_of_examples_raise_one_false_alarm_in_twenty():
    rng = np.random.default_rng(2)
    assert 0.04 <= rate(lambda: hits(rng, (0.7, 0.7), 1000, 0.42), of_examples, num=5 * NUM) <= 0.06


def test_pairs_of_examples_see_more_than_independent_ones():
    """Accuracies of 0.70 and 0.6825 on 5,000 examples, correlated by 0.4: a power of 0.69 where it was 0.47."""
    rng = np.random.default_rng(3)
    pairs = [hits(rng, (0.70, 0.6825), 5000, 0.42) for _ in range(NUM)]
    paired = np.mean([of_examples(a, b).is_real for a, b in pairs])
    apart = np.mean([of_proportions(float(a.mean()), float(b.mean()), 5000).is_real for a, b in pairs])
    assert paired == pytest.approx(0.69, abs=0.03)
    assert apart == pytest.approx(0.47, abs=0.03)


def architectures(rng, num_seeds, seed_spread, num=500, liking=0.8):
    """Two of equal expected accuracy. Each likes other examples, each of its seeds is better or worse as a whole."""
    hardness = rng.normal(1.2, 1.5, num)
    found = []
    for _ in range(2):
        likes = hardness + rng.normal(0, liking, num)
        seeds = rng.normal(0, seed_spread, (num_seeds, 1))
        found.append(((likes + seeds + rng.normal(0, 0.7, (num_seeds, num))) > 0).astype(float))
    return tuple(found)


@pytest.mark.parametrize(("num_seeds", "seed_spread"), [(2, 0.0), (3, 0.0), (3, 0.15), (3, 0.5), (5, 0.15)])
def test_seeds_and_examples_together_raise_no_more_than_one_false_alarm_in_twenty(num_seeds, seed_spread):
    rng = np.random.default_rng(4)
    assert rate(lambda: architectures(rng, num_seeds, seed_spread), of_examples) <= 0.06


def test_seeds_alone_take_the_choice_of_examples_for_a_difference():
    """Which is why pairs of examples count both: of five seeds on 500 examples, a fifth of the tests are wrong."""
    rng = np.random.default_rng(5)
    assert rate(lambda: architectures(rng, 5, 0.0), of_means) > 0.15
    assert rate(lambda: architectures(rng, 5, 0.0), of_examples) <= 0.06


def test_of_one_seed_it_is_students_test_of_pairs():
    rng = np.random.default_rng(6)
    first, second = rng.normal(size=(2, 1, 50))
    test = stats.ttest_rel(first[0], second[0])
    interval = test.confidence_interval()
    found = of_examples(first, second)
    assert found[:4] == pytest.approx(((first - second).mean(), interval.low, interval.high, test.pvalue))
    assert found.test == "t in pairs over 50 examples"


def test_of_examples_that_all_agree_it_is_welchs_test():
    """Where every example has its network's own score, there is nothing but seeds."""
    rng = np.random.default_rng(7)
    first, second = (np.repeat(rng.normal(size=(num, 1)), 1000, axis=1) for num in (3, 4))
    assert of_examples(first, second)[:4] == pytest.approx(of_means(first, second)[:4], rel=1e-6)


def test_proportions_raise_one_false_alarm_in_twenty_of_examples_apart():
    rng = np.random.default_rng(8)
    pairs = rng.binomial(360, 0.97, (NUM, 2)) / 360
    assert 0.03 <= np.mean([of_proportions(a, b, 360).is_real for a, b in pairs.tolist()]) <= 0.06


def test_where_nothing_varies_there_is_no_test():
    assert of_seeds([0.5, 0.5], [0.5, 0.5]) is None
    assert of_seeds([0.5], [0.6, 0.7]) is None
    assert of_examples(np.ones((2, 10)), np.ones((2, 10))) is None
