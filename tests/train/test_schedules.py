"""The numbers of the schedules: against closed forms, and for what trainings of several lengths have in common."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_jax.train.recipe import Recipe
from nas_jax.train.schedules import learning_rates, make_schedule, num_trunk_epochs

COSINE = Recipe(num_epochs=10, learning_rate=0.4, warmup_epochs=2.0)
CONSTANT = replace(COSINE, schedule="constant", cooldown=0.3)


def test_learning_rate_rises_linearly_and_falls_as_a_cosine():
    schedule = make_schedule(COSINE, steps_per_epoch=5)
    np.testing.assert_allclose([schedule(step) for step in (0, 5, 10, 30, 50)], [0, 0.2, 0.4, 0.2, 0], atol=1e-6)


def test_the_numbers_of_the_schedule_are_in_the_order_of_the_steps():
    recipe = Recipe(num_epochs=3, learning_rate=0.4, warmup_epochs=0.5)
    schedule = make_schedule(recipe, steps_per_epoch=4)
    expected = [[schedule(4 * epoch + step) for step in range(4)] for epoch in range(3)]
    np.testing.assert_allclose(learning_rates(recipe, 4), expected, atol=1e-7)


def test_a_stop_cuts_the_cosine():
    whole = learning_rates(COSINE, 5)
    assert whole.shape == (10, 5)
    np.testing.assert_array_equal(learning_rates(COSINE, 5, 4), whole[:4])
    assert num_trunk_epochs(COSINE, 4) == 4


def test_a_constant_rate_has_a_fall_of_its_own_at_each_stop():
    """Ten epochs of five steps: up for ten steps, level until step 35, down to zero at 50."""
    points = [(0, 0.0), (10, 0.4), (35, 0.4), (50, 0.0)]
    np.testing.assert_allclose(
        learning_rates(CONSTANT, 5).ravel(), np.interp(np.arange(50), *zip(*points, strict=True)), atol=1e-7
    )
    np.testing.assert_array_equal(learning_rates(CONSTANT, 5), learning_rates(CONSTANT, 5, 10))
    # Of five epochs 3.5 are level: the fall begins in the midst of the fourth, which is no part of the trunk.
    points = [(0, 0.0), (10, 0.4), (17.5, 0.4), (25, 0.0)]
    np.testing.assert_allclose(
        learning_rates(CONSTANT, 5, 5).ravel(), np.interp(np.arange(25), *zip(*points, strict=True)), atol=1e-7
    )
    assert [num_trunk_epochs(CONSTANT, stop) for stop in (1, 2, 5, 10)] == [0, 1, 3, 7]


def test_without_a_cooldown_the_rate_stays():
    rates = learning_rates(replace(CONSTANT, cooldown=0.0, warmup_epochs=0.0), 5, 4)
    np.testing.assert_array_equal(rates, np.full((4, 5), np.float32(0.4)))
    assert num_trunk_epochs(replace(CONSTANT, cooldown=0.0), 4) == 4


@given(
    st.sampled_from(["cut", "constant"]),
    st.floats(0, 0.95).map(lambda cooldown: round(cooldown, 2)),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 7),
)
def test_the_trunk_of_a_stop_is_that_of_each_later_one(schedule, cooldown, first, second, steps):
    recipe = Recipe(num_epochs=12, learning_rate=0.1, schedule=schedule, cooldown=cooldown)
    short, long = sorted((first, second))
    trunk = num_trunk_epochs(recipe, short)
    assert trunk <= num_trunk_epochs(recipe, long) <= long
    np.testing.assert_array_equal(
        learning_rates(recipe, steps, short)[:trunk], learning_rates(recipe, steps, long)[:trunk]
    )
    if schedule == "constant":
        assert trunk + 1 > short * (1 - cooldown)  # no epoch is left out that is whole


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "cosine"}, "schedule='cosine': choose from cut"),
        ({"cooldown": 1.0}, "cooldown=1.0"),
    ],
)
def test_settings_that_make_no_schedule_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe(num_epochs=3, **settings)
