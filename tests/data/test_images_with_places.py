"""Images with masks or boxes: made scenes, and arrays in files of one's own."""

import numpy as np
import pytest

from nas_jax.data.arrays import load
from nas_jax.data.digit_scenes import DigitScenes
from nas_jax.data.saved_arrays import SavedArrays
from nas_jax.errors import UserError
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.detection import Detection

SMALL = {"size": 32, "max_digits": 3, "num_train": 20, "num_val": 10, "num_test": 10}


def test_a_scene_has_the_same_digits_as_pixels_and_as_boxes():
    """The smallest box around the pixels of each class, where it is there once, is its box."""
    masks, boxes = DigitScenes(**SMALL).load(), DigitScenes(kind="detection", **SMALL).load()
    assert masks.class_names == ("background", *boxes.class_names)
    num_compared = 0
    for place in range(20):
        np.testing.assert_array_equal(masks.train["image"][place], boxes.train["image"][place])
        labels = boxes.train["labels"][place]
        shown = masks.train["mask"][place]
        if len(set(labels[labels >= 0])) == (labels >= 0).sum():
            for box, label in zip(boxes.train["boxes"][place], labels, strict=True):
                rows, columns = np.nonzero(shown == label + 1)
                if label >= 0 and len(rows) and (labels >= 0).sum() == 1:
                    corners = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
                    np.testing.assert_allclose(box * 32, corners, atol=1e-5)
                    num_compared += 1
        assert ((boxes.train["boxes"][place] == 0).all(axis=1) == (labels < 0)).all()
    assert num_compared > 2


def test_a_smaller_split_is_the_beginning_of_a_larger_one():
    small, large = DigitScenes(**SMALL).load(), DigitScenes(**SMALL | {"num_train": 25}).load()
    np.testing.assert_array_equal(small.train["image"], large.train["image"][:20])
    np.testing.assert_array_equal(small.test["mask"], large.test["mask"])
    assert (DigitScenes(**SMALL, seed=1).load().train["image"] != small.train["image"]).any()


def write(folder, **arrays):
    folder.mkdir(exist_ok=True)
    np.savez(folder / "cells.npz", **arrays)
    return str(folder)


def parts(*names, num=5):
    rng = np.random.default_rng(0)
    images = {f"{part}_images": rng.integers(0, 256, (num, 6, 4, 3), dtype=np.uint8) for part in names}
    return {**images, **{f"{part}_masks": rng.integers(0, 2, (num, 6, 4), dtype=np.uint8) for part in names}}


def test_a_folder_with_saved_arrays_is_read(tmp_path):
    arrays = parts("train", "val", "test")
    path = write(tmp_path, **arrays, class_names=["no", "yes"], train_ids=np.arange(5))
    dataset = load(SavedArrays(path, num_train=3))
    assert dataset.class_names == ("no", "yes")
    np.testing.assert_array_equal(dataset.train["mask"], arrays["train_masks"][:3])
    np.testing.assert_array_equal(dataset.test["image"], arrays["test_images"])
    assert set(dataset.train) == {"image", "mask"}


def test_validation_is_drawn_from_training_where_it_is_missing(tmp_path):
    arrays = parts("train", "test", num=10)
    dataset = load(SavedArrays(write(tmp_path, **arrays)))
    assert dataset.class_names == ("0", "1")
    rows = [image.tobytes() for split in (dataset.train, dataset.val) for image in split["image"]]
    assert sorted(rows) == sorted(image.tobytes() for image in arrays["train_images"])
    assert len(dataset.val["image"]) == 2


@pytest.mark.parametrize("dtype", [np.int64, np.int16, bool])
def test_masks_are_read_however_they_were_saved(dtype, tmp_path):
    arrays = parts("train", "val", "test")
    dataset = load(
        SavedArrays(write(tmp_path, **{k: v.astype(dtype) if "masks" in k else v for k, v in arrays.items()}))
    )
    assert dataset.train["mask"].dtype == np.uint8
    np.testing.assert_array_equal(dataset.train["mask"], arrays["train_masks"])


def test_boxes_have_labels_of_their_own(tmp_path):
    arrays = {name: array for name, array in parts("train", "validation", "test").items() if "images" in name}
    for part in ("train", "validation", "test"):
        arrays |= {f"{part}_boxes": np.zeros((5, 2, 4)), f"{part}_labels": np.full((5, 2), -1, np.int8)}
    dataset = load(SavedArrays(write(tmp_path, **arrays, class_names=["a", "b", "c"])))
    assert dataset.spec.arrays["boxes"] == ((2, 4), "float32")
    assert dataset.spec.arrays["labels"] == ((2,), "int32")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("test_images"), "there is no array 'test_images'; only 'val' can be left out"),
        (lambda arrays: arrays.pop("train_masks"), "of 'train' and 'val' only one has the arrays of mask"),
        (lambda arrays: arrays.update(val_masks=arrays["val_masks"] / 2), "val_masks must be whole numbers"),
        (lambda arrays: arrays.update(val_masks=arrays["val_masks"].astype(int) - 1), r"val_masks has -1\.\.0"),
        (lambda arrays: arrays.update(train_masks=arrays["train_masks"][:3]), "train_masks has 3 examples"),
        (lambda arrays: arrays.update(train_labels=np.zeros(5)), "train_labels must be whole numbers, but are float64"),
        (
            lambda arrays: arrays.update(test_images=arrays["test_images"] / 255),
            r"test_images must be pixels 0\.\.255 as uint8, but are float64",
        ),
        (
            lambda arrays: arrays.update(valid_images=arrays["val_images"]),
            "'val_images' and 'valid_images' are both arrays of validation examples; take one away",
        ),
        (
            lambda arrays: arrays.update(dev_labels=np.zeros(5, int)),
            "'val_images' and 'dev_labels' are both arrays of validation examples",
        ),
        (
            lambda arrays: arrays.update(Valid_images=arrays.pop("val_images")),
            "the array 'Valid_images' has to be named 'valid_images'",
        ),
        (
            lambda arrays: arrays.update(train_Masks=arrays.pop("train_masks")),
            "the array 'train_Masks' has to be named 'train_masks'",
        ),
        (
            lambda arrays: arrays.pop("val_images"),
            "there is 'val_masks', and no array of the images that it is of",
        ),
    ],
)
def test_files_that_fit_together_badly_are_refused_in_one_line(change, message, tmp_path):
    arrays = parts("train", "val", "test")
    change(arrays)
    with pytest.raises(UserError, match=message):
        SavedArrays(write(tmp_path, **arrays)).load()


def test_what_is_no_file_of_arrays_is_refused_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"data\.path: name a file"):
        SavedArrays().load()
    with pytest.raises(UserError, match=r"there is no such file \.npz"):
        SavedArrays(str(tmp_path)).load()
    (tmp_path / "a.npz").write_bytes(b"PK no zip")
    with pytest.raises(UserError, match=r"a\.npz' cannot be read as arrays of NumPy"):
        SavedArrays(str(tmp_path)).load()
    np.savez_compressed(tmp_path / "a.npz", train_images=np.zeros((40, 8, 8), np.uint8))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[60:80] = bytes(byte ^ 255 for byte in content[60:80])  # within what is compressed
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npz' cannot be read as arrays of NumPy"):
        SavedArrays(str(tmp_path)).load()
    (tmp_path / "b.npz").write_bytes(b"")
    with pytest.raises(UserError, match=r"there are 2 files \.npz in it"):
        SavedArrays(str(tmp_path)).load()
    np.save(tmp_path / "c.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"is one array; save all by numpy\.savez"):
        SavedArrays(str(tmp_path / "c.npy")).load()


def test_names_of_classes_may_be_bytes(tmp_path):
    names = np.array([b"Hintergrund", "Körper".encode()])
    path = write(tmp_path, **parts("train", "val", "test"), class_names=names)
    assert SavedArrays(path).load().class_names == ("Hintergrund", "Körper")


def test_images_without_room_for_a_box_are_refused_by_the_task(tmp_path):
    arrays = {name: array for name, array in parts("train", "val", "test").items() if "images" in name}
    for part in ("train", "val", "test"):
        arrays |= {f"{part}_boxes": np.zeros((5, 0, 4)), f"{part}_labels": np.zeros((5, 0), np.int8)}
    with pytest.raises(UserError, match="no image has a box"):
        load_problem(Detection(), SavedArrays(write(tmp_path, **arrays)))
