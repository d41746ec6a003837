"""What several fronts attain, against points that are counted one by one."""

import numpy as np

from nas_jax.compare.fronts import attained

FRONTS = [np.array([[3.0, 1.0], [1.0, 3.0]]), np.array([[2.0, 2.0]]), np.array([[3.0, 2.0]])]


def share_of(point):
    return sum(bool((front >= point).all(axis=1).any()) for front in FRONTS) / len(FRONTS)


def test_half_attain_the_corners_and_nothing_beyond():
    corners = attained(FRONTS, 0.5)
    np.testing.assert_array_equal(corners, [[3.0, 1.0], [2.0, 2.0]])
    assert all(share_of(corner) >= 0.5 for corner in corners)
    assert all(share_of(corner + 0.01) < 0.5 for corner in corners)


def test_all_attain_less_than_any():
    np.testing.assert_array_equal(attained(FRONTS, 1.0), [[2.0, 1.0], [1.0, 2.0]])
    np.testing.assert_array_equal(attained(FRONTS, 0.01), [[3.0, 2.0], [1.0, 3.0]])
