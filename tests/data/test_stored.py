"""Training examples in files: the same as in memory, written once, and anew where their origin changes."""

import json
import math
import os
import resource
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_images import picture

from nas_jax.data import stored
from nas_jax.data.arrays import Dataset, load
from nas_jax.data.class_folders import ClassFolders
from nas_jax.data.coco_json import CocoJson
from nas_jax.data.image_masks import ImageMasks
from nas_jax.data.mapped import write_mapped
from nas_jax.data.stored import training_split
from nas_jax.data.tfds import Tfds
from nas_jax.data.tfds_scenes import TfdsScenes
from nas_jax.errors import UserError

NUM = 20
SCENES = {"dataset": "tiny_scenes/all", "size": (6, 5), "num_val": 4}


@pytest.fixture
def pictures(tmp_path):
    """Twenty pictures, each with a mask, a box, and a copy in the folder of its class."""
    images, boxes = [], []
    for place in range(NUM):
        name = f"{place:02}.png"
        classes = tmp_path / "classes" / "ab"[place % 2]
        for folder in (classes, tmp_path / "images", tmp_path / "masks"):
            folder.mkdir(parents=True, exist_ok=True)
        pixels = picture(place)
        Image.fromarray(pixels).save(classes / name)
        Image.fromarray(pixels).save(tmp_path / "images" / name)
        Image.fromarray(pixels[..., 0] % 2).save(tmp_path / "masks" / name)
        images.append({"id": place, "file_name": name})
        boxes.append({"image_id": place, "category_id": 1, "bbox": [1, 1, 2, 1 + place % 4]})
    record = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "thing"}]}
    (tmp_path / "train.json").write_text(json.dumps(record))
    return tmp_path


@pytest.fixture
def source_of(tiny_dir, pictures):
    """Every source that can keep its training examples in files, by a name."""
    size = {"size": (6, 5)}
    sources = {
        "tfds": Tfds("tiny_images/plain", tiny_dir, num_val=8),
        "masks": TfdsScenes(**SCENES, class_names=("no", "yes"), mask_values=(2, 1), data_dir=tiny_dir),
        "boxes": TfdsScenes(**SCENES, targets="boxes", max_boxes=2, data_dir=tiny_dir),
        "image_masks": ImageMasks(str(pictures), **size),
        "coco_json": CocoJson(str(pictures), **size),
        "class_folders": ClassFolders(str(pictures / "classes"), **size),
    }
    return sources.__getitem__


def assert_equal(one: Dataset, other: Dataset):
    for part in ("train", "val", "test"):
        first, second = getattr(one, part), getattr(other, part)
        assert first.keys() == second.keys()
        for name, array in first.items():
            assert array.dtype == second[name].dtype
            np.testing.assert_array_equal(array, second[name])
    assert one.spec == other.spec
    assert one.augmentation == other.augmentation


@pytest.mark.parametrize("name", ["tfds", "masks", "boxes", "image_masks", "coco_json", "class_folders"])
def test_examples_in_files_are_those_in_memory_whatever_the_blocks(name, source_of, tmp_path, monkeypatch):
    source = source_of(name)
    monkeypatch.setattr(stored, "_BLOCK", 7)
    streamed = load(replace(source, stream_dir=str(tmp_path / "stream")))
    assert_equal(streamed, source.load())
    assert all(isinstance(array, np.memmap) for array in streamed.train.values())
    assert source.load().stored is None
    folder = tmp_path / "workers"
    folder.mkdir()
    mapped = write_mapped(streamed, folder)
    assert_equal(mapped.load(), streamed)
    assert mapped.load().stored == streamed.stored
    assert not list(folder.glob("train_*"))


def test_examples_are_written_once_and_anew_where_what_they_are_made_of_changes(source_of, pictures, tmp_path):
    source = replace(source_of("class_folders"), stream_dir=str(tmp_path / "stream"))
    first = source.load().stored.folder
    written = os.stat(f"{first}/image.npy").st_mtime_ns
    assert replace(source, pad=1, flip=False).load().stored.folder == first
    assert os.stat(f"{first}/image.npy").st_mtime_ns == written
    others = {replace(source, **change).load().stored.folder for change in ({"size": (3, 4)}, {"seed": 1})}
    for path in (pictures / "classes").rglob("*.png"):
        Image.fromarray(picture(99)).save(path)
    changed = source.load()
    assert len({first, changed.stored.folder, *others}) == 4
    assert (changed.train["image"] == picture(99)).all()


def test_a_relative_folder_is_found_from_another_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = training_split(range(5), lambda places: {"label": np.array(places)}, "stream", lambda: "five")
    monkeypatch.chdir("/")
    assert stored.read_stored(kept.stored.folder)["label"].tolist() == [0, 1, 2, 3, 4]


def test_of_several_that_start_together_one_writes(tmp_path):
    begun = []

    def read(places):
        begun.append(places)
        time.sleep(0.1)
        return {"label": np.array(places)}

    with ThreadPoolExecutor(3) as pool:
        kept = list(pool.map(lambda _: training_split(range(5), read, str(tmp_path), lambda: "five"), range(3)))
    assert begun == [range(5)]
    assert all(each.split["label"].tolist() == [0, 1, 2, 3, 4] for each in kept)


def test_what_cannot_be_read_leaves_nothing_behind(source_of, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "_BLOCK", 4)
    path = next((pictures / "classes").rglob("*.png"))
    content = path.read_bytes()
    source = replace(source_of("class_folders"), stream_dir=str(tmp_path / "stream"), share=0.05)
    path.write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot be read as a picture"):
        source.load()
    assert not list((tmp_path / "stream").iterdir())
    path.write_bytes(content)
    assert_equal(source.load(), replace(source, stream_dir="").load())


def _damage(folder, how):
    about = json.loads((folder / "about.json").read_text())
    changes = {
        "other moments": {"mean": [0.5]},
        "no number": {"std": [0.1, 0.2, math.nan]},
        "a field less": {"arrays": None},
        "another shape": {"arrays": {**about["arrays"], "label": ["int32", 5]}},
    }
    match how:
        case "a short array":
            (folder / "image.npy").write_bytes((folder / "image.npy").read_bytes()[:100])
        case "no array":
            (folder / "image.npy").unlink()
        case "one for the other":
            (folder / "image.npy").rename(folder / "other.npy")
            (folder / "label.npy").rename(folder / "image.npy")
            (folder / "other.npy").rename(folder / "label.npy")
        case "no text":
            (folder / "about.json").write_bytes(b"")
        case _:
            (folder / "about.json").write_text(json.dumps(about | changes[how]))


@pytest.mark.parametrize(
    "how",
    [
        "a short array",
        "no array",
        "one for the other",
        "no text",
        "other moments",
        "no number",
        "a field less",
        "another shape",
    ],
)
def test_a_damaged_folder_is_named_in_one_line(how, source_of, tmp_path):
    source = replace(source_of("tfds"), stream_dir=str(tmp_path))
    folder = source.load().stored.folder
    _damage(Path(folder), how)
    with pytest.raises(UserError, match=f"'{folder}' is damaged; delete it, and it will be written anew"):
        source.load()


def test_a_folder_that_a_machine_does_not_see_is_not_called_damaged(tmp_path):
    kept = training_split(range(5), lambda places: {"label": np.array(places)}, str(tmp_path / "here"), lambda: "five")
    (tmp_path / "here").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"there is no '{kept.stored.folder}' on .*; name a folder that all machines"):
        stored.read_stored(kept.stored.folder)


def test_what_is_not_complete_is_written_anew(source_of, tmp_path):
    source = replace(source_of("tfds"), stream_dir=str(tmp_path))
    folder = Path(source.load().stored.folder)
    (folder / "about.json").unlink()
    assert_equal(source.load(), replace(source, stream_dir="").load())


def test_a_folder_that_cannot_be_used_is_named_in_one_line(source_of, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"data\.stream_dir='.*file' cannot be used: File exists"):
        replace(source_of("tfds"), stream_dir=str(tmp_path / "file")).load()


def test_a_full_disk_is_said_in_one_line_and_leaves_nothing(source_of, tmp_path, monkeypatch):
    """The system says so when a file is written, and would end the process if its pages were written through a map."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    source = replace(source_of("tfds"), stream_dir=str(tmp_path / "stream"))
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UserError, match=r"data\.stream_dir='.*stream' cannot be used: File too large"):
            source.load()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list((tmp_path / "stream").iterdir())


def test_files_that_change_while_they_are_read_are_not_kept(tmp_path):
    states = iter(["before", "after"])
    with pytest.raises(UserError, match="files were changed while they were read"):
        training_split(range(3), lambda places: {"label": np.array(places)}, str(tmp_path), lambda: next(states))
    assert not list(tmp_path.iterdir())


def test_pictures_of_several_sizes_are_refused_across_blocks(tiny_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "_BLOCK", 1)
    with pytest.raises(UserError, match=r"image of the training examples differ, \[\d, 5, 3\] and \[\d, 5, 3\]"):
        Tfds("tiny_images/ragged", tiny_dir, num_val=8, stream_dir=str(tmp_path)).load()


def test_boxes_need_room_that_is_known_before():
    with pytest.raises(ValueError, match="max_boxes: with stream_dir it has to be given"):
        TfdsScenes(targets="boxes", stream_dir="somewhere")
