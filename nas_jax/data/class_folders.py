"""Folders of picture files, one folder for each class: `ant/`, `bee/`, …, or such folders in `train/`, `val/`, `test/`.

A class has the pictures of the folders below its own too, and of those that links there lead to. There are parts where
`train` has folders with pictures: one with pictures alone is of a class. What is missing of the parts is drawn from the
training part.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas_jax.data.arrays import Dataset, Split
from nas_jax.data.folders import folders_in
from nas_jax.data.parts import folders_of_parts, is_part
from nas_jax.data.picture_files import (
    check_size,
    has_pictures,
    notes_about,
    picture_paths,
    read_images,
    with_drawn_parts,
)
from nas_jax.data.settings import augmentation_of, check_seed, check_shares, path_of
from nas_jax.data.stored import files_in, training_split
from nas_jax.errors import UserError


class _Labelled(NamedTuple):
    path: Path
    label: int  # place in the names of the classes


@dataclass(frozen=True)
class ClassFolders:
    """Images that are resized; classes are the names of folders (in NFC), in their order.

    Args:
        path: The folder.
        size: Height and width that all images are resized to.
        channels: 3 for colours, 1 for greys.
        share: Of the training images, for each part that there is no folder of.
        stream_dir: A folder that keeps training examples of a set larger than memory, see `stored.py`; "": in memory.
        pad, flip, flip_vertically, cutout: How training images are changed, see `Augmentation`.
    """

    path: str = ""
    size: tuple[int, int] = (32, 32)
    channels: int = 3
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

    def load(self) -> Dataset:
        root = path_of(self.path)
        if not self.path or not root.is_dir():
            raise UserError(f"data.path: {self.path!r} is no folder; name one that has a folder for each class")
        found = _parts(root)
        class_names = _class_names(found["train"])
        labelled = {part: _labelled(folder, class_names) for part, folder in found.items()}
        parts = with_drawn_parts(labelled, self.share, self.seed)
        train = training_split(
            parts["train"],
            self._read,
            self.stream_dir,
            lambda: [self.size, self.channels, files_in(*(each.path for each in parts["train"]))],
        )
        return Dataset(
            name=root.resolve().name,
            train=train.split,
            val=self._read(parts["val"]),
            test=self._read(parts["test"]),
            class_names=class_names,
            augmentation=augmentation_of(self),
            stored=train.stored,
            notes=notes_about([each.path for each in parts["train"]]),
        )

    def _read(self, part: Sequence[_Labelled]) -> Split:
        images = read_images([each.path for each in part], self.size, self.channels)
        return {"image": images, "label": np.array([each.label for each in part], np.int32)}


make = ClassFolders


def _parts(root: Path) -> dict[str, Path]:
    """The folders of the parts; the whole is the training part where no folder of a part has folders with pictures.

    Raises:
        UserError: there is another part, and no training part; or something beside the training part is of no part.
    """
    held = [folder for folder in folders_in(root) if is_part(folder.name) and _with_pictures(folder)]
    if not held:
        return {"train": root}
    found = folders_of_parts(root)
    if found.get("train") not in held:
        raise UserError(
            f"data.path: {str(held[0])!r} has folders of classes, and there is no folder 'train' beside it that has "
            "some; add it, or rename what is no part"
        )
    others = [*picture_paths(root), *(each for each in folders_in(root) if each not in found.values())]
    for each in others:
        if each.is_file() or has_pictures(each):
            raise UserError(
                f"data.path: {str(each)!r} is in no part ({', '.join(found)}); move it into one, or take it away"
            )
    return found


def _with_pictures(folder: Path) -> list[Path]:
    """The folders in it that have pictures."""
    return [each for each in folders_in(folder) if has_pictures(each)]


def _class_names(folder: Path) -> tuple[str, ...]:
    """The names of the folders in it that have pictures.

    Raises:
        UserError: there are none.
    """
    names = {_class_name(each) for each in _with_pictures(folder)}
    if not names:
        raise UserError(
            f"data.path: no folder in {str(folder)!r} has picture files; there has to be one for each class"
        )
    return tuple(sorted(names))


def _class_name(folder: Path) -> str:
    """The folder's name, in the one form of Unicode (NFC) of those that systems write it in.

    Raises:
        UserError: it is no text.
    """
    try:
        folder.name.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"data.path: the name of the folder {str(folder)!r} is no UTF-8; rename it") from error
    return unicodedata.normalize("NFC", folder.name)


def _labelled(folder: Path, class_names: tuple[str, ...]) -> list[_Labelled]:
    """The pictures of a part, class by class.

    Raises:
        UserError: there are none, some are in no folder, or are of a class that is not among the training images.
    """
    if stray := picture_paths(folder):
        raise UserError(f"data.path: {str(stray[0])!r} is in no folder of a class; move it into one, or take it away")
    found = []
    for each in _with_pictures(folder):
        if (name := _class_name(each)) not in class_names:
            raise UserError(f"data.path: {str(each)!r} is of no class of the training images: {', '.join(class_names)}")
        found += [_Labelled(path, class_names.index(name)) for path in picture_paths(each, is_deep=True)]
    if not found:
        raise UserError(f"data.path: there are no picture files in the folders of {str(folder)!r}")
    return found
