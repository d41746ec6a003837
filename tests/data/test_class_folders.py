"""Folders of picture files, one for each class."""

import os
import unicodedata

import numpy as np
import pytest
from PIL import Image
from tiny_images import picture

from nas_jax.data.arrays import Dataset
from nas_jax.data.class_folders import ClassFolders
from nas_jax.errors import UserError
from nas_jax.tasks.base import Problem
from nas_jax.tasks.classification import Classification

NUM = 20


@pytest.fixture
def classes(tmp_path):
    """A folder with twenty pictures in the folders of two classes, by turns."""
    root = tmp_path / "classes"
    for place in range(NUM):
        save(root / "ab"[place % 2] / f"{place:02}.png", place)
    return root


def save(path, place=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(place)).save(path)


def assert_all_are_of_their_classes(dataset: Dataset):
    assert dataset.class_names == ("a", "b")
    places = []
    for part in (dataset.train, dataset.val, dataset.test):
        for image, label in zip(part["image"], part["label"], strict=True):
            place = int(image[0, 0, 0])
            np.testing.assert_array_equal(image, picture(place))
            assert label == place % 2
            places.append(place)
    assert sorted(places) == list(range(NUM))


def assert_refused(root, message):
    with pytest.raises(UserError, match=message) as error:
        ClassFolders(str(root), size=(6, 5)).load()
    assert "\n" not in str(error.value)


def in_parts(classes, *parts):
    """The pictures in `train/`, and one of each class in each of the other parts."""
    (classes / "train").mkdir()
    for name in "ab":
        (classes / name).rename(classes / "train" / name)
        for part in parts:
            save(classes / part / name / "1.png", "ab".index(name))
    return classes


def test_classes_are_folders_with_pictures(classes):
    (classes / "notes").mkdir()
    (classes / "notes" / "read.me").write_text("no picture")
    (classes / ".hidden").mkdir()
    (classes / "a" / "._00.png").write_text("what another system keeps beside a picture")
    (classes / "a" / "deeper").mkdir()
    (classes / "a" / "00.png").rename(classes / "a" / "deeper" / "00.png")
    assert_all_are_of_their_classes(ClassFolders(str(classes), size=(6, 5), share=0.2).load())


def test_parts_of_classes_have_folders_of_their_own(classes):
    for part in ("train", "test"):
        (classes / part).mkdir()
    for name in ("a", "b"):
        (classes / name).rename(classes / "train" / name)
    Image.fromarray(picture(7)).save(classes / "test" / "7.png")
    source = ClassFolders(str(classes), size=(6, 5))
    with pytest.raises(UserError, match=r"test/7\.png' is in no folder of a class"):
        source.load()
    (classes / "test" / "c").mkdir()
    (classes / "test" / "7.png").rename(classes / "test" / "c" / "7.png")
    with pytest.raises(UserError, match=r"test/c' is of no class of the training images: a, b"):
        source.load()
    (classes / "test" / "c").rename(classes.parent / "c")
    with pytest.raises(UserError, match=r"no picture files in the folders of .*test"):
        source.load()
    (classes.parent / "c").rename(classes / "test" / "b")
    dataset = source.load()
    assert dataset.test["label"].tolist() == [1]
    assert [len(dataset.train["label"]), len(dataset.val["label"])] == [17, 3]


def test_a_class_may_be_called_as_a_part_is(classes):
    (classes / "b").rename(classes / "train")
    assert ClassFolders(str(classes), size=(6, 5)).load().class_names == ("a", "train")


def test_a_picture_of_no_class_is_named(classes):
    (classes / "a" / "00.png").rename(classes / "lonely.png")
    with pytest.raises(UserError, match=r"lonely\.png' is in no folder of a class; move it into one, or take it away"):
        ClassFolders(str(classes), size=(6, 5)).load()


@pytest.mark.parametrize(("path", "message"), [("", "is no folder"), (".", "no folder in .* has picture files")])
def test_folders_without_pictures_are_refused_in_one_line(path, message, tmp_path):
    with pytest.raises(UserError, match=message):
        ClassFolders(path and str(tmp_path)).load()


@pytest.mark.parametrize("stray", ["train/thumb.png", "val/thumb.png", "thumb.png"])
def test_a_stray_picture_makes_no_class_of_a_part(stray, classes):
    in_parts(classes, "val", "test")
    save(classes / stray)
    assert_refused(classes, rf"{stray}' is in no (folder of a class|part \(train, val, test\)); move it into one")


@pytest.mark.parametrize("other", ["c/1.png", "c/deeper/1.png", "validate/a/1.png"])
def test_a_folder_beside_parts_is_named(other, classes):
    in_parts(classes, "test")
    save(classes / other)
    assert_refused(classes, rf"classes/{other.partition('/')[0]}' is in no part \(train, test\)")


@pytest.mark.parametrize("part", ["val", "Valid", "test"])
def test_a_part_needs_a_training_part_beside_it(part, classes):
    save(classes / "train" / "1.png")
    save(classes / part / "a" / "1.png")
    assert_refused(classes, rf"classes/{part}' has folders of classes, and there is no folder 'train' beside it")


def test_pictures_of_a_part_may_lie_at_any_depth(classes):
    in_parts(classes, "val", "test")
    for name in "ab":
        (classes / "train" / name).rename(classes / name)
        (classes / "train" / name).mkdir()
        (classes / name).rename(classes / "train" / name / "deeper")
    dataset = ClassFolders(str(classes), size=(6, 5)).load()
    assert [len(part["label"]) for part in (dataset.train, dataset.val, dataset.test)] == [NUM, 2, 2]


def test_classes_may_be_called_as_parts_of_one_kind(classes):
    (classes / "a").rename(classes / "dev")
    (classes / "b").rename(classes / "valid")
    assert ClassFolders(str(classes), size=(6, 5)).load().class_names == ("dev", "valid")


@pytest.mark.parametrize(("names", "kind"), [(("Train", "train"), "training"), (("dev", "val"), "validation")])
def test_two_folders_of_one_part_are_named(names, kind, classes):
    in_parts(classes, *names)
    assert_refused(classes, f"'{names[0]}' and '{names[1]}' are both folders of {kind} examples; take one away")


def test_links_to_folders_are_followed_and_each_folder_once(classes):
    away = classes.parent / "away"
    (classes / "a").rename(away)
    (classes / "a").mkdir()
    (classes / "a" / "more").symlink_to(away)
    (away / "deeper").mkdir()
    (away / "00.png").rename(away / "deeper" / "00.png")
    (away / "deeper" / "again").symlink_to(away)
    (classes / "a" / "all").symlink_to(classes)
    (classes / "b" / "alias").symlink_to(classes / "b")
    assert_all_are_of_their_classes(ClassFolders(str(classes), size=(6, 5), share=0.2).load())


@pytest.mark.parametrize("link", ["a/gone.png", "a/gone", "gone"])
def test_a_link_that_leads_to_nothing_is_named(link, classes):
    (classes / link).symlink_to("nowhere")
    assert_refused(classes, rf"{link}' is a link to 'nowhere', which is not there; mend it, or take it away")


def test_a_part_that_is_a_link_to_nothing_is_named(classes):
    (in_parts(classes) / "val").symlink_to("nowhere")
    assert_refused(classes, "val' is a link to 'nowhere'")


def test_what_a_system_adds_to_an_archive_is_no_class(classes):
    save(classes / "__MACOSX" / "a" / "1.png")
    save(classes / "a" / "__MACOSX" / "1.png")
    assert_all_are_of_their_classes(ClassFolders(str(classes), size=(6, 5), share=0.2).load())


def test_one_name_in_two_forms_of_unicode_is_one_class(classes):
    composed, apart = (unicodedata.normalize(form, "\u00e9t\u00e9") for form in ("NFC", "NFD"))
    save(in_parts(classes) / "train" / composed / "1.png")
    save(classes / "val" / apart / "1.png")
    save(classes / "train" / apart / "2.png")
    dataset = ClassFolders(str(classes), size=(6, 5)).load()
    assert dataset.class_names == ("a", "b", composed)
    assert dataset.val["label"].tolist() == [2]
    labels = [*dataset.train["label"], *dataset.test["label"]]
    assert labels.count(2) == 2


def test_a_name_that_is_no_text_is_refused(classes):
    save(classes / os.fsdecode(b"\xe9t\xe9") / "1.png")
    assert_refused(classes, r"the name of the folder .*udce9t.udce9' is no UTF-8; rename it")


def test_a_note_says_that_deep_pictures_are_scaled_one_by_one(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for place in range(5):
            values = np.full((4, 4), 800, np.uint16)
            values[0, 0] = 1000 if name == "a" else 3000
            Image.fromarray(values).save(tmp_path / name / f"{place}.png")
    source = ClassFolders(str(tmp_path), size=(4, 4), channels=1)
    assert any("pictures have more than 8 bits" in note for note in Problem(Classification(), source.load()).notes)
    for path in tmp_path.rglob("*.png"):
        Image.new("L", (4, 4), 7).save(path)
    assert source.load().notes == ()
