"""What holds for every source, and what each one promises on top."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestCentroid

from nas_jax.build import build
from nas_jax.data.arrays import DataSource, Split
from nas_jax.data.digits import Digits
from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError


@pytest.fixture(params=["digits", "synthetic", "tfds"])
def source(request, tiny_dir):
    extra = {"dataset": "tiny_images/plain", "data_dir": tiny_dir} if request.param == "tfds" else {}
    return build("nas_jax.data", {"name": request.param, "num_train": 20, "num_val": 10, "num_test": 15, **extra})


def as_set(split: Split) -> set[bytes]:
    return {image.tobytes() for image in split.images}


def test_sizes_and_types(source):
    dataset = source.load()
    assert isinstance(source, DataSource)
    assert [len(split.labels) for split in (dataset.train, dataset.val, dataset.test)] == [20, 10, 15]
    assert dataset.train.images.shape == (20, *dataset.image_shape)
    assert dataset.num_classes == len(set(dataset.class_names))
    assert len(dataset.mean) == len(dataset.std) == dataset.image_shape[2]


def test_splits_share_no_image(source):
    dataset = source.load()
    train, val, test = (as_set(split) for split in (dataset.train, dataset.val, dataset.test))
    assert len(train | val | test) == 45


def test_the_same_source_gives_the_same_examples_also_after_pickling(source):
    copy = pickle.loads(pickle.dumps(source))
    assert copy == source
    assert hash(copy) == hash(source)
    first, second = source.load(), copy.load()
    for before, after in zip(
        (first.train, first.val, first.test), (second.train, second.val, second.test), strict=True
    ):
        np.testing.assert_array_equal(before.images, after.images)
        np.testing.assert_array_equal(before.labels, after.labels)


def test_a_negative_pad_is_refused_when_the_source_is_built():
    for name in ("digits", "synthetic", "tfds"):
        with pytest.raises(UserError, match="pad: must not be negative"):
            build("nas_jax.data", {"name": name, "pad": -1})


def test_digits_are_those_of_scikit_learn():
    dataset, original = Digits().load(), load_digits()
    expected = {
        (image.astype(int).tobytes(), label) for image, label in zip(original.images, original.target, strict=True)
    }
    found = {
        (np.round(image[..., 0] * (16 / 255)).astype(int).tobytes(), label)
        for split in (dataset.train, dataset.val, dataset.test)
        for image, label in zip(split.images, split.labels, strict=True)
    }
    assert found == expected
    assert [len(split.labels) for split in (dataset.train, dataset.val, dataset.test)] == [1150, 287, 360]
    assert dataset.train.images.max() == 255


def test_digits_keep_their_test_split_whatever_the_seed():
    first, second = Digits(seed=0).load(), Digits(seed=1).load()
    assert as_set(first.test) == as_set(second.test)
    assert as_set(first.train) != as_set(second.train)


def test_synthetic_classes_are_balanced_and_separable():
    dataset = Synthetic(image_shape=(6, 8, 2), num_classes=5).load()
    assert dataset.image_shape == (6, 8, 2)
    assert set(np.bincount(dataset.val.labels)) <= {12, 13}
    flat = [split.images.reshape(len(split.labels), -1).astype(float) for split in (dataset.train, dataset.test)]
    accuracy = NearestCentroid().fit(flat[0], dataset.train.labels).score(flat[1], dataset.test.labels)
    assert accuracy > 0.95


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (8, 8)}, "image_shape"),
        ({"num_classes": 0}, "num_classes: must be at least 1"),
        ({"num_val": 0}, "num_val: must be at least 1"),
        ({"noise": -0.1}, "noise: must not be negative"),
    ],
)
def test_synthetic_refuses_bad_settings(settings, message):
    with pytest.raises(UserError, match=message):
        build("nas_jax.data", {"name": "synthetic", **settings})
