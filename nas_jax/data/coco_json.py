"""Images with boxes as COCO describes them (cocodataset.org/#format-data): `train.json`, `val.json`, `test.json`.

The pictures are where `file_name` says, in the folder or in its `images/`. Boxes are in pixels of the picture as it is
seen, turned upright where its file says so (EXIF). Boxes of crowds (`iscrowd`) are left out, and so are boxes without
area. What is missing of the parts is drawn from the training part.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas_jax.data.arrays import Dataset, Split
from nas_jax.data.box_lists import box_arrays
from nas_jax.data.parts import find_parts
from nas_jax.data.picture_files import check_size, notes_about, read_images, upright_size, with_drawn_parts
from nas_jax.data.settings import augmentation_of, check_seed, check_shares, path_of
from nas_jax.data.stored import files_in, training_split
from nas_jax.data.text_files import read_text
from nas_jax.errors import UserError, describe
from nas_jax.json_files import check_object, describe_json_error

_HINTS: dict[str, Any] = {
    "images": list[dict[str, Any]],
    "annotations": list[dict[str, Any]],
    "categories": list[dict[str, Any]],
}


class _Labelled(NamedTuple):
    """A picture, and its boxes in shares of height and width with the names of their classes."""

    path: Path
    boxes: list[tuple[float, float, float, float]]
    names: list[str]


@dataclass(frozen=True)
class CocoJson:
    """Images that are resized, with boxes.

    Args:
        path: The folder, or the file of the training part alone.
        size: Height and width that all images are resized to.
        channels: 3 for colours, 1 for greys.
        max_boxes: Of an image; 0: as many as an image has at most. Of more the largest are kept.
        share: Of the training images, for each part that there is no file of.
        stream_dir: A folder that keeps training examples of a set larger than memory, see `stored.py`; "": in memory.
        pad, flip, flip_vertically, cutout: How training images are changed, see `Augmentation`.
    """

    path: str = ""
    size: tuple[int, int] = (96, 96)
    channels: int = 3
    max_boxes: int = 0
    share: float = 0.15
    seed: int = 0
    stream_dir: str = ""
    pad: int = 4
    flip: bool = True
    flip_vertically: bool = False
    cutout: int = 0

    def __post_init__(self) -> None:
        augmentation_of(self)
        check_seed(self.seed)
        check_size(self.size, self.channels)
        check_shares(share=self.share)
        if self.max_boxes < 0:
            raise ValueError(f"max_boxes={self.max_boxes}: has to be at least 0")

    def load(self) -> Dataset:
        path = path_of(self.path)
        if not self.path:
            raise UserError("data.path: name a folder with train.json, or such a file: --config.data.path=…")
        files = find_parts(path, (".json",))
        parts = with_drawn_parts({part: read_coco(file) for part, file in files.items()}, self.share, self.seed)
        everything = [each for part in parts.values() for each in part]
        class_names = tuple(sorted({name for each in everything for name in each.names}))
        most = self.max_boxes or max(1, *(len(each.names) for each in everything))
        train = training_split(
            parts["train"],
            lambda part: self._read(part, class_names, most),
            self.stream_dir,
            lambda: [class_names, most, self.size, self.channels, files_in(*(each.path for each in parts["train"]))],
        )
        return Dataset(
            name=(path if path.is_dir() else path.parent).resolve().name,
            train=train.split,
            val=self._read(parts["val"], class_names, most),
            test=self._read(parts["test"], class_names, most),
            class_names=class_names,
            augmentation=augmentation_of(self),
            stored=train.stored,
            notes=notes_about([each.path for each in parts["train"]]),
        )

    def _read(self, part: Sequence[_Labelled], class_names: tuple[str, ...], most: int) -> Split:
        listed = [
            (
                np.array(each.boxes, np.float32).reshape(-1, 4),
                np.array([class_names.index(name) for name in each.names], np.int32),
            )
            for each in part
        ]
        images = read_images([each.path for each in part], self.size, self.channels)
        return {"image": images, **box_arrays(listed, most)}


make = CocoJson


def read_coco(file: Path) -> list[_Labelled]:
    """The images of a file, in its order, those without a box too.

    Raises:
        UserError: the file is no such file, names what it does not have, or a picture is missing.
    """
    try:
        record = check_object(json.loads(read_text(file)), _HINTS, required=tuple(_HINTS))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{str(file)!r}: {describe_json_error(error)}") from error
    try:
        for kind in ("images", "categories"):
            _check_ids(file, kind, [each["id"] for each in record[kind]])
        names = {category["id"]: str(category["name"]) for category in record["categories"]}
        images = {image["id"]: _opened(file, image) for image in record["images"]}
        found = {id: _Labelled(path, [], []) for id, (path, _) in images.items()}
        for annotation in record["annotations"]:
            for kind, known in (("image", images), ("category", names)):
                if annotation[f"{kind}_id"] not in known:
                    raise UserError(
                        f"{str(file)!r}: a box is of the {kind} {annotation[f'{kind}_id']!r}, which is not listed"
                    )
            width, height = images[annotation["image_id"]][1]
            box = _shares([float(number) for number in annotation["bbox"]], height, width)
            if not annotation.get("iscrowd") and box[0] < box[2] and box[1] < box[3]:
                found[annotation["image_id"]].boxes.append(box)
                found[annotation["image_id"]].names.append(names[annotation["category_id"]])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{str(file)!r} does not describe images as COCO does: {describe(error)}") from error
    if not any(each.names for each in found.values()):
        raise UserError(f"{str(file)!r}: no image has a box")
    return list(found.values())


def _opened(file: Path, image: dict[str, Any]) -> tuple[Path, tuple[int, int]]:
    """Where a picture is, and its width and height, of which boxes are in pixels."""
    places = [file.parent / image["file_name"], file.parent / "images" / image["file_name"]]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise UserError(f"{str(file)!r} names the picture {image['file_name']!r}, and there is no such file")
    width, height = upright_size(path)
    given = int(image.get("width", width)), int(image.get("height", height))
    if given != (width, height):
        raise UserError(
            f"{str(file)!r} says that {image['file_name']!r} is {given[0]} x {given[1]} pixels, and upright it is "
            f"{width} x {height}; boxes have to be in pixels of the picture as it is seen"
        )
    return path, given


def _check_ids(file: Path, kind: str, ids: list[Any]) -> None:
    """Raises UserError if two of a kind have one id."""
    seen: set[Any] = set()
    for id in ids:
        if id in seen:
            raise UserError(f"{str(file)!r}: two of its {kind} have the id {id!r}")
        seen.add(id)


def _shares(box: list[float], height: int, width: int) -> tuple[float, float, float, float]:
    """COCO's x, y, width and height in pixels as corners in shares, cut at the image's edges."""
    left, top, wide, high = box
    corners = top / height, left / width, (top + high) / height, (left + wide) / width
    return tuple(min(max(corner, 0.0), 1.0) for corner in corners)  # type: ignore[return-value]
