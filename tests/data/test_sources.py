"""What holds for every source, and what each one promises on top."""

import json
import pickle

import jax
import numpy as np
import pytest
from PIL import Image
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


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's home with a folder `x`, in which every source that reads files finds what it wants."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "x"
    pixels = np.zeros((8, 8, 3), np.uint8)
    for name in ("classes/a", "classes/b", "images", "masks"):
        (folder / name).mkdir(parents=True)
        for place in range(9):
            Image.fromarray(pixels[..., 0]).save(folder / name / f"{place}.png")
    images = [{"id": place, "file_name": f"{place}.png"} for place in range(9)]
    boxes = [{"image_id": place, "category_id": 1, "bbox": [1, 1, 2, 2]} for place in range(9)]
    record = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "thing"}]}
    (folder / "train.json").write_text(json.dumps(record))
    (folder / "train.tsv").write_text("yes\tgood\nno\tbad\n" * 9)
    (folder / "train.txt").write_text("To be, or not to be. " * 9)
    np.savez(folder / "a.npz", train_images=[pixels] * 9, train_labels=[0] * 9, test_images=[pixels], test_labels=[0])
    return tmp_path


SOURCES_OF_FILES = {
    "class_folders": "x/classes",
    "image_masks": "x",
    "coco_json": "x",
    "saved_arrays": "x",
    "table_text": "x",
    "plain_text": "x",
}


@pytest.mark.parametrize(("name", "path"), SOURCES_OF_FILES.items())
def test_a_path_may_begin_with_the_users_home(name, path, home):
    extra = {"val_share": 0.3, "test_share": 0.3} if name == "plain_text" else {}
    found, same = (
        build("nas_jax.data", {"name": name, "path": f"{start}/{path}", **extra}).load() for start in ("~", home)
    )
    assert found.name == same.name
    for part in PARTS:
        jax.tree.map(np.testing.assert_array_equal, getattr(found, part), getattr(same, part))


@pytest.mark.parametrize("path", ["~nobody_of_this_name/x", "a\0b", "caf\udce9"])
@pytest.mark.parametrize("name", SOURCES_OF_FILES)
def test_a_path_that_cannot_be_is_refused_in_one_line(name, path):
    with pytest.raises(UserError, match=r"data\.path") as error:
        build("nas_jax.data", {"name": name, "path": path}).load()
    assert str(error.value).isprintable()
