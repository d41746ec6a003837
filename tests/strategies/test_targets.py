"""Scores as targets, and predictions of targets as predictions of scores."""

import numpy as np
import pytest
from scipy.stats import norm

from nas_jax.strategies.targets import kind_for, targets_of

REACH = norm.ppf(0.975)  # of an interval of 95 %, in deviations


def test_ranks_do_not_change_under_a_monotone_map_and_are_normal_quantiles():
    scores = np.array([3.0, -1.0, 0.5, 10.0])
    values = targets_of(scores, "ranks").values
    np.testing.assert_allclose(values, norm.ppf([0.625, 0.125, 0.375, 0.875]))
    np.testing.assert_array_equal(values, targets_of(np.exp(scores), "ranks").values)


def test_equal_scores_have_equal_targets():
    values = targets_of(np.array([1.0, 0.0, 0.0, 2.0]), "ranks").values
    assert values[1] == values[2]
    np.testing.assert_allclose(values[1], norm.ppf(0.25))


def test_scores_pass_through():
    targets = targets_of(np.array([3.0, 1.0]), "scores")
    np.testing.assert_array_equal(targets.values, [3.0, 1.0])
    assert targets.prediction(2.5, 0.5) == pytest.approx((2.5, 0.5))


@pytest.mark.parametrize("sign", [1, -1])
def test_logarithms_keep_the_order_and_lead_back(sign):
    scores = sign * np.array([0.02, 3.0, 0.5, 40.0])
    targets = targets_of(scores, "logarithms")
    np.testing.assert_allclose(targets.values, sign * np.log([0.02, 3.0, 0.5, 40.0]))
    np.testing.assert_array_equal(np.argsort(targets.values), np.argsort(scores))
    np.testing.assert_allclose(targets.inverse(targets.values), scores, rtol=1e-12)
    np.testing.assert_allclose(targets.line(targets.values), scores, rtol=1e-3)
    beyond = np.array([targets.values.min() - 2, targets.values.max() + 2])
    np.testing.assert_allclose(targets.line(beyond), targets.inverse(beyond), rtol=1e-3)


def test_logarithms_of_what_has_none_are_refused():
    with pytest.raises(ValueError, match="logarithms are of numbers of one sign, and scores go from -1 to 2"):
        targets_of(np.array([-1.0, 2.0]), "logarithms")


def test_what_a_program_costs_is_learned_by_its_logarithm_where_it_has_one():
    assert kind_for("latency_ms", np.array([-0.5, -3.0]), "ranks") == "logarithms"
    assert kind_for("latency_ms", np.array([-0.5, 0.0]), "ranks") == "ranks"
    assert kind_for("throughput", np.array([7.0, 9.0]), "scores") == "logarithms"
    assert kind_for("val_accuracy", np.array([0.5, 0.9]), "scores") == "scores"


def test_log_errors_are_logarithms_and_the_way_back():
    accuracies = np.array([0.5, 0.99, 1.0])
    targets = targets_of(accuracies, "log_errors")
    np.testing.assert_allclose(targets.values, [-np.log(0.51), -np.log(0.02), -np.log(0.01)])
    for accuracy, value in zip(accuracies, targets.values, strict=True):
        assert targets.prediction(float(value), 0.1).mean == pytest.approx(accuracy)
    spreads = [targets.prediction(float(value), 0.1).std for value in targets.values]
    np.testing.assert_allclose(spreads, np.sinh(REACH * 0.1) / REACH * np.array([0.51, 0.02, 0.01]))
    with pytest.raises(ValueError, match="log_errors are of fractions, and one score is 93"):
        targets_of(np.array([0.5, 93.0]), "log_errors")


def test_predictions_of_normal_scores_are_those_of_the_normal():
    """Where the scores are the quantiles of a normal, its own units and those of the targets differ by a line."""
    quantiles = norm.ppf((np.arange(101) + 0.5) / 101)
    targets = targets_of(90 + 2 * quantiles, "ranks")
    for mean, std in [(0.0, 1.0), (0.7, 0.1), (2.0, 2.0), (-4.0, 0.5)]:
        predicted = targets.prediction(mean, std)
        np.testing.assert_allclose(predicted, (90 + 2 * mean, 2 * std), rtol=1e-6)


def test_an_interval_of_95_percent_is_as_wide_as_that_of_the_targets():
    scores = np.array([10.0, 60.0, 80.0, 85.0, 88.0, 90.0, 91.0, 91.5])
    targets = targets_of(scores, "ranks")
    low, high = np.interp([0.3 - REACH * 0.4, 0.3 + REACH * 0.4], np.sort(targets.values), scores)
    np.testing.assert_allclose(targets.prediction(0.3, 0.4).std, (high - low) / (2 * REACH))


def test_order_and_positive_deviations_survive_any_scores():
    targets = targets_of(np.array([0.0, 0.0, 0.0, 5.0, 5.1]), "ranks")
    means = [targets.prediction(mean, 0.3).mean for mean in np.linspace(-4, 4, 50)]
    assert np.all(np.diff(means) >= 0)
    assert all(targets.prediction(mean, 0.3).std > 0 for mean in np.linspace(-4, 4, 50))


@pytest.mark.parametrize("scores", [[2.0], [2.0, 2.0]])
def test_scores_that_do_not_vary_predict_themselves(scores):
    predicted = targets_of(np.array(scores), "ranks").prediction(0.3, 1.0)
    assert predicted.mean == 2.0
    assert predicted.std > 0
