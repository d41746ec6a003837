"""Masks, boxes and texts of sets of TensorFlow Datasets, from a tiny set that is prepared on the spot."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_images import mask, picture

from nas_jax.data.arrays import load
from nas_jax.data.tfds_builder import splits_of_parts
from nas_jax.data.tfds_plain_text import TfdsPlainText
from nas_jax.data.tfds_scenes import TfdsScenes
from nas_jax.data.tfds_text import TfdsText
from nas_jax.data.tokens import text_of
from nas_jax.errors import UserError
from nas_jax.tasks.base import Problem
from nas_jax.tasks.detection import Detection
from nas_jax.tasks.segmentation import Segmentation

NAMES = {"class_names": ("background", "thing"), "mask_values": (2, 1)}
SCENES = {"dataset": "tiny_scenes/all", "size": (6, 5), "num_val": 4}


def test_masks_move_to_places_of_class_names_and_the_rest_is_left_out(tiny_dir):
    dataset = load(TfdsScenes(**SCENES, **NAMES, data_dir=tiny_dir))
    Problem(Segmentation(), dataset)
    assert [len(part["mask"]) for part in (dataset.train, dataset.val, dataset.test)] == [16, 4, 10]
    for part in (dataset.train, dataset.val, dataset.test):
        for image, found in zip(part["image"], part["mask"], strict=True):
            index = int(image[0, 0, 0])
            expected = np.full((6, 5, 3), index) if index % 2 else picture(index)  # the former were twice as large
            np.testing.assert_array_equal(image, expected)
            np.testing.assert_array_equal(found, np.array([9, 1, 0, 255], np.uint8)[mask(index)])


def test_boxes_are_those_that_are_no_crowd(tiny_dir):
    dataset = load(TfdsScenes(**SCENES, targets="boxes", data_dir=tiny_dir))
    Problem(Detection(), dataset)
    assert dataset.class_names == ("ant", "bee", "cow")
    for part in (dataset.train, dataset.val, dataset.test):
        assert part["boxes"].shape[1:] == (2, 4)
        for image, boxes, labels in zip(part["image"], part["boxes"], part["labels"], strict=True):
            num = int(image[0, 0, 0]) % 3
            assert labels.tolist() == [num] * num + [-1] * (2 - num)
            np.testing.assert_allclose(boxes, [[0.1, 0.2, 0.5, 0.6]] * num + [[0, 0, 0, 0]] * (2 - num), atol=1e-6)


def test_of_many_boxes_so_many_are_kept(tiny_dir):
    dataset = TfdsScenes(**SCENES, targets="boxes", max_boxes=1, data_dir=tiny_dir).load()
    assert dataset.test["labels"].shape == (10, 1)


def test_lines_whose_test_labels_are_secret_are_tested_on_training_lines(tiny_dir):
    dataset = load(TfdsText("tiny_scenes/all", tiny_dir, label="label", min_count=1))
    assert dataset.class_names == ("bad", "good")
    num = [len(part["label"]) for part in (dataset.train, dataset.val, dataset.test)]
    assert num == [16, 2, 2]
    numbers = set()
    for part in (dataset.train, dataset.val, dataset.test):
        for tokens, label in zip(part["tokens"], part["label"], strict=True):
            words = text_of(tokens.tolist(), dataset.vocabulary, unknown="?").split()
            assert words[0] == "number"
            if words[1] != "?":
                assert int(words[1]) % 2 == label
                numbers.add(words[1])
    assert len(numbers) == 16  # the others are in no training line


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (["train", "validation", "test", "extra"], {"train": "train", "val": "validation", "test": "test"}),
        (["dev", "train"], {"train": "train", "val": "dev"}),
        (["test"], {"train": "train", "test": "test"}),
    ],
)
def test_a_part_is_the_split_that_has_one_of_its_names(splits, expected):
    assert splits_of_parts("a set", splits) == expected


def test_of_two_splits_of_one_part_none_is_preferred():
    with pytest.raises(UserError, match="'a set' has the splits validation and dev, which are of one part"):
        splits_of_parts("a set", ["train", "dev", "validation"])


def test_running_text_is_the_examples_one_after_the_other(tiny_dir):
    dataset = load(TfdsPlainText("tiny_scenes/all", tiny_dir, max_examples=12, length=8))
    text = text_of(dataset.train["tokens"].ravel().tolist(), dataset.vocabulary)
    assert text.count("Number") >= 10
    assert "it is\nNumber" in text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (TfdsScenes("tiny_scenes/all", num_val=4), "has no names of what its masks show"),
        (TfdsScenes("tiny_scenes/bare", num_val=4, **NAMES), "nothing that can be its mask; its features are image"),
        (TfdsScenes("tiny_scenes/bare", targets="boxes"), "nothing that can be its boxes"),
        (TfdsScenes("tiny_scenes/all", targets="boxes", test_split="other", num_val=4), "no split other; it has"),
        (TfdsText("tiny_scenes/all", text="sentense"), "data.text: .* no such 'sentense'; choose from sentence"),
        (TfdsText("tiny_scenes/bare"), "nothing that can be its label"),
        (TfdsPlainText("tiny_scenes/bare"), "nothing that can be its text"),
    ],
)
def test_what_a_set_lacks_is_one_line(tiny_dir, source, message):
    with pytest.raises(UserError, match=message) as error:
        replace(source, data_dir=tiny_dir).load()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"targets": "faces"}, "targets='faces': choose from masks, boxes"),
        ({"mask_values": (1,)}, "mask_values: there are 1, and 0 class_names"),
        ({"max_boxes": -1}, "max_boxes=-1"),
        ({"size": (0, 4)}, "size"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TfdsScenes(**settings)
