"""What is odd about a data set is said; nothing of one that is as it should be."""

import numpy as np
import pytest

from nas_jax.data.arrays import Dataset
from nas_jax.notes import HasNotes
from nas_jax.tasks.base import Problem
from nas_jax.tasks.classification import Classification

NAMES = ("ant", "bee", "cow")


def notes(train, val, test, images=None):
    """Of labels, with images at random, no two of them the same, unless others are given."""
    rng = np.random.default_rng(0)

    def split(labels):
        drawn = rng.integers(0, 256, (len(labels), 4, 4, 1), np.uint8)
        return {"image": drawn if images is None else images[: len(labels)], "label": np.array(labels, np.int32)}

    problem = Problem(Classification(), Dataset("odd", split(train), split(val), split(test), NAMES))
    assert isinstance(problem, HasNotes)
    return " | ".join(problem.notes)


def test_nothing_is_said_of_a_data_set_as_it_should_be():
    assert notes([0, 1, 2] * 4, [0, 1, 2], [2, 1, 0]) == ""


@pytest.mark.parametrize(
    ("train", "val", "test", "message"),
    [
        ([0, 1] * 4, [0, 1, 2], [0, 1, 2], "no training example has the class 'cow', so no network can learn it"),
        ([0, 1, 2] * 4, [0, 1], [0, 1, 2], "no validation example has the class 'cow'"),
        ([0, 1, 2] * 4, [0, 1, 2], [1], "no test example has the class 'ant', 'cow'"),
        ([0, 1] * 4, [0, 1], [0, 1], "no example at all has the class 'cow'"),
        ([1] * 9, [1], [1], "every example has the class 'bee', so there is nothing to tell apart"),
        ([2] * 38 + [0, 1], [0, 1, 2], [0, 1, 2], "95 % of the training examples have the class 'cow'"),
    ],
)
def test_classes_that_are_missing_or_drown_others_are_named(train, val, test, message):
    assert notes(train, val, test).startswith(message)


@pytest.mark.parametrize(
    ("shape", "is_turned"), [((3, 8, 8), True), ((1, 8, 8), True), ((8, 8, 3), False), ((3, 8, 3), False)]
)
def test_images_with_channels_first_are_named(shape, is_turned):
    images = np.random.default_rng(1).integers(0, 256, (12, *shape), np.uint8)
    said = notes([0, 1, 2] * 4, [0, 1, 2], [0, 1, 2], images)
    assert (f"image is {list(shape)}, which is read as height, width and channels, and looks like" in said) == is_turned


def test_images_that_are_all_the_same_or_shared_are_counted():
    same = np.full((12, 4, 4, 1), 7, np.uint8)
    said = notes([0, 1, 2] * 4, [0, 1, 2], [0, 1, 2], same)
    assert "all 12 training examples have the same image" in said
    distinct = np.random.default_rng(1).integers(0, 256, (12, 4, 4, 1), np.uint8)
    assert "3 of the 3 val examples have the image of a train example" in notes(
        [0, 1, 2] * 4, [0, 1, 2], [0, 1, 2], distinct
    )
