"""Expected hypervolume improvement against quadrature, draws and volumes counted another way."""

import itertools

import moocore
import numpy as np
import pytest
from scipy import integrate
from scipy.stats import norm

from nas_jax.surrogates.improvement import (
    Line,
    Marginal,
    boxes_above,
    expected_hypervolume_improvement,
)

BENT = Line(np.array([-1.0, 0.0, 0.5]), np.array([0.0, 2.0, 2.25]), 1.5, 0.2)


def volume(points, reference):
    return moocore.hypervolume(points, ref=reference, maximise=True) if len(points) else 0.0


def gain(point, front, reference):
    return volume(np.vstack([front, point]), reference) - volume(front, reference)


def random_front(rng, k, num):
    return rng.uniform(0, 3, (num, k))


@pytest.mark.parametrize("line", [Line(np.zeros(1), np.zeros(1), 1.0, 1.0), BENT])
@pytest.mark.parametrize("threshold", [-2.0, 0.1, 2.1, 4.0])
def test_the_expected_excess_is_that_of_quadrature(line, threshold):
    mean, std = np.array([0.3, -2.0]), np.array([0.7, 1.3])
    found = Marginal(mean, std, line).excess(np.array([threshold]))[:, 0]
    for value, m, s in zip(found, mean, std, strict=True):
        points = sorted({-12.0, 12.0, *line.knots, *np.linspace(-8, 8, 33)})
        expected = sum(
            integrate.quad(
                lambda z, m=m, s=s: max(float(line(np.array([z]))[0]) - threshold, 0) * norm.pdf(z, m, s), a, b
            )[0]
            for a, b in itertools.pairwise(points)
        )
        assert value == pytest.approx(expected, rel=2e-4, abs=1e-7)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_boxes_have_the_volume_that_the_front_leaves(k):
    rng = np.random.default_rng(k)
    front, reference, top = random_front(rng, k, 7), np.zeros(k), 4.0
    boxes = boxes_above(front, reference)
    sizes = np.prod(np.minimum(boxes.upper, top) - boxes.lower, axis=1)
    assert sizes.sum() == pytest.approx(top**k - volume(front, reference))
    for point in rng.uniform(0, top, (200, k)):
        inside = np.all((boxes.lower < point) & (point <= boxes.upper), axis=1).sum()
        assert inside == (0 if (front >= point).all(axis=1).any() else 1)


def test_two_objectives_agree_with_quadrature():
    front, reference = np.array([[1.0, 2.0], [2.0, 1.0], [0.5, 0.5]]), np.zeros(2)
    mean, std = np.array([1.4, 1.2]), np.array([0.6, 0.9])
    marginals = [Marginal(mean[[j]], std[[j]]) for j in range(2)]
    found = expected_hypervolume_improvement(marginals, boxes_above(front, reference))[0]
    cuts = np.array([-4.0, 0.0, 0.5, 1.0, 2.0, 7.0])
    nodes, weights = np.polynomial.legendre.leggauss(24)
    x = np.concatenate([(b - a) / 2 * nodes + (a + b) / 2 for a, b in itertools.pairwise(cuts)])
    w = np.concatenate([(b - a) / 2 * weights for a, b in itertools.pairwise(cuts)])
    gains = np.array([[gain(np.array([[a, b]]), front, reference) for b in x] for a in x])
    density = np.outer(norm.pdf(x, mean[0], std[0]), norm.pdf(x, mean[1], std[1]))
    assert found == pytest.approx(float(w @ (gains * density) @ w), rel=1e-5)


@pytest.mark.parametrize("k", [2, 3])
def test_bent_objectives_agree_with_draws(k):
    rng = np.random.default_rng(k)
    front, reference = random_front(rng, k, 5) * 0.7, np.full(k, -0.5)
    mean, std = rng.normal(0, 0.5, (3, k)), rng.uniform(0.3, 1, (3, k))
    marginals = [Marginal(mean[:, j], std[:, j], BENT) for j in range(k)]
    found = expected_hypervolume_improvement(marginals, boxes_above(front, reference))
    for place in range(3):
        draws = BENT(mean[place] + std[place] * rng.normal(size=(4000, k)))
        gains = np.array([gain(draw[None], front, reference) for draw in draws])
        assert found[place] == pytest.approx(gains.mean(), abs=4 * gains.std() / np.sqrt(len(draws)))


def test_known_values_add_what_they_add():
    rng = np.random.default_rng(0)
    front, reference = random_front(rng, 3, 6), np.zeros(3)
    points = rng.uniform(0, 4, (10, 3))
    marginals = [Marginal(points[:, j], np.zeros(10)) for j in range(3)]
    found = expected_hypervolume_improvement(marginals, boxes_above(front, reference))
    np.testing.assert_allclose(found, [gain(point[None], front, reference) for point in points], atol=1e-9)


def test_an_empty_front_leaves_all_above_the_reference():
    marginals = [Marginal(np.array([2.0]), np.zeros(1)), Marginal(np.array([3.0]), np.zeros(1))]
    boxes = boxes_above(np.zeros((0, 2)), np.array([1.0, 1.0]))
    assert expected_hypervolume_improvement(marginals, boxes)[0] == pytest.approx(2.0)
