"""Folders of picture files with a mask for each: `images/` and `masks/`, or such a pair in `train/`, `val/`, `test/`.

A mask has the name of its image, but for what follows the last dot. All lie side by side, none in a folder below. What
is missing of the parts is drawn from the training part.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ImageColor

from nas_jax.data.arrays import Dataset, Split
from nas_jax.data.folders import folders_in
from nas_jax.data.parts import folders_of_parts
from nas_jax.data.picture_files import (
    check_size,
    has_pictures,
    notes_about,
    picture_paths,
    read_images,
    read_mask,
    upright_size,
    with_drawn_parts,
)
from nas_jax.data.settings import augmentation_of, check_seed, check_shares, path_of
from nas_jax.data.stored import files_in, training_split
from nas_jax.errors import UserError

_NAMES = ("images", "masks")
_IGNORED = 255


@dataclass(frozen=True)
class ImageMasks:
    """Images and masks, resized; of a mask the nearest pixel, so that no class comes up between two others.

    Args:
        path: The folder.
        size: Height and width that all are resized to.
        channels: 3 for colours, 1 for greys.
        class_names: Of the values 0, 1, … of the masks; the first one is the background.
        colors: Of the masks, one for each class, as CSS has them ("#804080"); none where pixels are numbers.
        share: Of the training examples, for each part that there is no folder of.
        stream_dir: A folder that keeps training examples of a set larger than memory, see `stored.py`; "": in memory.
        pad, flip, flip_vertically, cutout: How training images are changed, see `Augmentation`.
    """

    path: str = ""
    size: tuple[int, int] = (96, 96)
    channels: int = 3
    class_names: tuple[str, ...] = ("background", "object")
    colors: tuple[str, ...] = ()
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
        if self.colors and len(self.colors) != len(self.class_names):
            raise ValueError(f"colors: there are {len(self.colors)}, and {len(self.class_names)} class_names")
        for color in self.colors:
            ImageColor.getrgb(color)

    def load(self) -> Dataset:
        root = path_of(self.path)
        if not self.path or not root.is_dir():
            raise UserError(f"data.path: {self.path!r} is no folder; name one with images/ and masks/")
        pairs = {part: _pairs(folder) for part, folder in _parts(root).items()}
        chosen = with_drawn_parts(pairs, self.share, self.seed)
        train = training_split(
            chosen["train"],
            self._read,
            self.stream_dir,
            lambda: [
                self.size,
                self.channels,
                self.colors,
                files_in(*(path for pair in chosen["train"] for path in pair)),
            ],
        )
        return Dataset(
            name=root.resolve().name,
            train=train.split,
            val=self._read(chosen["val"]),
            test=self._read(chosen["test"]),
            class_names=self.class_names,
            augmentation=augmentation_of(self),
            stored=train.stored,
            notes=notes_about([image for image, _ in chosen["train"]]),
        )

    def _read(self, pairs: Sequence[tuple[Path, Path]]) -> Split:
        for image, mask in pairs:
            _check_sides(image, mask)
        images = read_images([image for image, _ in pairs], self.size, self.channels)
        return {"image": images, "mask": np.stack([self._mask(mask) for _, mask in pairs])}

    def _mask(self, path: Path) -> UInt8[np.ndarray, "h w"]:
        values = read_mask(path, self.size, as_colors=bool(self.colors))
        if not self.colors:
            if values.ndim == 3:
                raise UserError(
                    f"{str(path)!r} has colours; name that of each class: --config.data.colors=\"'#000000','#804080'\""
                )
            return values
        if values.ndim == 2:
            raise UserError(f"{str(path)!r} has numbers of 16 bits or more and no colours; leave out data.colors")
        classes = np.full(values.shape[:2], _IGNORED, np.uint8)
        for place, color in enumerate(self.colors):
            classes[(values == np.array(ImageColor.getrgb(color)[:3])).all(axis=-1)] = place
        if (classes == _IGNORED).all():
            red, green, blue = values[0, 0].tolist()
            raise UserError(
                f"{str(path)!r}: no pixel has one of data.colors, the first one is #{red:02x}{green:02x}{blue:02x}; "
                "leave out data.colors where pixels are numbers of classes"
            )
        return classes


make = ImageMasks


def _parts(root: Path) -> dict[str, Path]:
    """The folders of the parts; the whole is the training part where there are none.

    Raises:
        UserError: there is another part, and no training part; or there are pictures beside the parts.
    """
    found = folders_of_parts(root)
    if not found:
        return {"train": root}
    if "train" not in found:
        raise UserError(f"data.path={str(root)!r}: there is no folder 'train'")
    for folder in (root / name for name in _NAMES):
        if folder.is_dir() and has_pictures(folder):
            raise UserError(
                f"data.path: {str(folder)!r} is in no part ({', '.join(found)}); move it into one, or take it away"
            )
    return found


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Each image with its mask.

    Raises:
        UserError: there are none, or one is without the other.
    """
    for name in _NAMES:
        if not (folder / name).is_dir():
            raise UserError(f"data.path: there is no folder {str(folder / name)!r}")
    images, masks = _by_stem(folder / "images"), _by_stem(folder / "masks")
    if not images:
        raise UserError(f"data.path: there are no picture files in {str(folder / 'images')!r}")
    if alone := sorted(images.keys() ^ masks.keys()):
        lacks = "mask" if alone[0] in images else "image"
        raise UserError(f"data.path: in {str(folder)!r} {len(alone)} files are alone: {alone[0]!r} has no {lacks}")
    return [(images[stem], masks[stem]) for stem in sorted(images)]


def _check_sides(image: Path, mask: Path) -> None:
    """Raises UserError unless a mask has the sides of its image, or others in the same proportion to a pixel."""
    width, height = upright_size(image)
    of_mask = upright_size(mask)
    scale = max(of_mask) / max(width, height)
    if any(abs(scale * side - other) > 1 for side, other in zip((width, height), of_mask, strict=True)):
        raise UserError(
            f"{str(mask)!r} is {of_mask[0]} x {of_mask[1]}, and its image {width} x {height} as one sees it, turned "
            "where its EXIF data say so; give it a mask of its shape"
        )


def _by_stem(folder: Path) -> dict[str, Path]:
    """Picture files by their names without what follows the last dot, in one form of Unicode (NFC).

    Raises:
        UserError: two have one such name, or some lie in a folder below.
    """
    for below in folders_in(folder):
        if has_pictures(below):
            raise UserError(
                f"data.path: {str(below)!r} has pictures, and all of a part have to lie side by side in "
                f"{str(folder)!r}; move them there, or take them away"
            )
    found: dict[str, Path] = {}
    for path in picture_paths(folder):
        stem = unicodedata.normalize("NFC", path.stem)
        if stem in found:
            raise UserError(
                f"data.path: {found[stem].name!r} and {path.name!r} in {str(folder)!r} have one name but for what "
                "follows the dot, and an image has one mask; rename one"
            )
        found[stem] = path
    return found
