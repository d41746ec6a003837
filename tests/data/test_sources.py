"""What holds for every source, and what each one promises on top."""

import pickle

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestCentroid

from nas_jax.build import build
from nas_jax.data.arrays import PARTS, DataSource, Split, num_examples
from nas_jax.data.digits import Digits
from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.tasks.classification import Classification


@pytest.fixture(params=["digits", "synthetic", "tfds"])
def source(request, tiny_dir):
    extra = {"dataset": "tiny_images/plain", "data_dir": tiny_dir} if request.param == "tfds" else {}
    return build("nas_jax.data", {"name": request.param, "num_train": 20, "num_val": 10, "num_test": 15, **extra})


def as_set(split: Split) -> set[bytes]:
    return {image.tobytes() for image in split["image"]}


def test_sizes_and_types(source):
    dataset = source.load()
    assert isinstance(source, DataSource)
    assert [num_examples(getattr(dataset, part)) for part in PARTS] == [20, 10, 15]
    spec = dataset.spec
    assert dataset.train["image"].shape == (20, *spec.image_shape)
    assert len(spec.mean) == len(spec.std) == spec.image_shape[2]
    Classification().check(dataset)


def test_splits_share_no_image(source):
    dataset = source.load()
    train, val, test = (as_set(split) for split in (dataset.train, dataset.val, dataset.test))
    assert len(train | val | test) == 45


def test_the_same_source_gives_the_same_examples_also_after_pickling(source):
    copy = pickle.loads(pickle.dumps(source))
    assert copy == source
    assert hash(copy) == hash(source)
    first, second = source.load(), copy.load()
    for part in PARTS:
        jax.tree.map(np.testing.assert_array_equal, getattr(first, part), getattr(second, part))


@pytest.mark.parametrize(
    "name",
    [
        "digits",
        "synthetic",
        "digit_scenes",
        "saved_arrays",
        "class_folders",
        "image_masks",
        "coco_json",
        "tfds",
        "tfds_scenes",
    ],
)
def test_an_augmentation_that_cannot_be_is_refused_when_the_source_is_built(name):
    for field in ("pad",) if name in ("digits", "synthetic") else ("pad", "cutout"):
        with pytest.raises(UserError, match=f"{field}: must not be negative, but is -1"):
            build("nas_jax.data", {"name": name, field: -1})


def test_digits_are_those_of_scikit_learn():
    dataset, original = Digits().load(), load_digits()
    expected = {
        (image.astype(int).tobytes(), label) for image, label in zip(original.images, original.target, strict=True)
    }
    found = {
        (np.round(image[..., 0] * (16 / 255)).astype(int).tobytes(), label)
        for split in (dataset.train, dataset.val, dataset.test)
        for image, label in zip(split["image"], split["label"], strict=True)
    }
    assert found == expected
    assert [num_examples(getattr(dataset, part)) for part in PARTS] == [1150, 287, 360]
    assert dataset.train["image"].max() == 255


def test_digits_keep_their_test_split_whatever_the_seed():
    first, second = Digits(seed=0).load(), Digits(seed=1).load()
    assert as_set(first.test) == as_set(second.test)
    assert as_set(first.train) != as_set(second.train)


def test_synthetic_classes_are_balanced_and_separable():
    dataset = Synthetic(image_shape=(6, 8, 2), num_classes=5).load()
    assert dataset.spec.image_shape == (6, 8, 2)
    assert set(np.bincount(dataset.val["label"])) <= {12, 13}
    train, test = (
        (split["image"].reshape(-1, 96).astype(float), split["label"]) for split in (dataset.train, dataset.test)
    )
    accuracy = NearestCentroid().fit(*train).score(*test)
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
