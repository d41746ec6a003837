"""Picture files of one size, for sources that read folders; and parts that are drawn where there are none."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps

from nas_jax.data.arrays import PARTS
from nas_jax.data.folders import entries
from nas_jax.errors import UserError, describe
from nas_jax.pictures import open_picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
_LYING = (5, 6, 7, 8)  # EXIF's orientations that change width for height

_NUM_LOOKED_AT = 1000  # pictures

T = TypeVar("T")


def picture_paths(folder: Path, *, is_deep: bool = False) -> list[Path]:
    """In the order of their names, with `is_deep` also of folders below, and of those that links there lead to.

    Raises:
        UserError: as `entries`.
    """
    return sorted(_pictures_in(folder, is_deep=is_deep))


def has_pictures(folder: Path) -> bool:
    """Whether it has any, or a folder below it; looks no further than the first one.

    Raises:
        UserError: as `entries`.
    """
    return any(True for _ in _pictures_in(folder, is_deep=True))


def _pictures_in(folder: Path, *, is_deep: bool) -> Iterator[Path]:
    """Each folder once, by a path without links if there is one; those around the first one are not entered."""
    around = (*folder.resolve().parents, *(each.resolve() for each in folder.absolute().parents))
    seen, waiting = set(around), deque([folder])
    while waiting:
        place = waiting.popleft()
        if (real := place.resolve()) in seen:
            continue
        seen.add(real)
        for each in entries(place):
            path = Path(each.path)
            if each.is_file() and path.suffix.lower() in SUFFIXES:
                yield path
            elif is_deep and each.is_symlink() and each.is_dir():
                waiting.append(path)
            elif is_deep and each.is_dir():
                waiting.appendleft(path)


def read_images(paths: list[Path], size: tuple[int, int], channels: int) -> UInt8[np.ndarray, "n h w c"]:
    """As `open_picture` reads them."""
    return np.stack([open_picture(path, (*size, channels)).pixels for path in paths])


def notes_about(paths: Sequence[Path]) -> tuple[str, ...]:
    """A line where pictures have more than 8 bits: what is white is then told of each by itself (`nas_jax.pictures`).

    The first thousand are looked at.
    """
    looked_at, deep = paths[:_NUM_LOOKED_AT], []
    for path in looked_at:
        with Image.open(path) as picture:
            deep += [path] if picture.mode[0] in "IF" else []
    if not deep:
        return ()
    return (
        f"{len(deep)} of the first {len(looked_at)} pictures have more than 8 bits, such as {str(deep[0])!r}: each is "
        "scaled by a range that its own largest value tells; save them with 8 bits where pictures differ in brightness",
    )


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture as `open_picture` turns it, before it is resized.

    Raises:
        UserError: it is no picture.
    """
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            return (height, width) if picture.getexif().get(ExifTags.Base.Orientation) in _LYING else (width, height)
    except Exception as error:  # decoders of damaged files raise anything
        raise UserError(f"{str(path)!r} cannot be read as a picture: {describe(error)}") from error


def read_mask(path: Path, size: tuple[int, int], *, as_colors: bool = False) -> UInt8[np.ndarray, "h w *c"]:
    """The values of a file's pixels, or their colours `[h, w, 3]`; of those between two pixels, the nearer one.

    Turned upright where the file says so, as images are.

    Args:
        as_colors: Colours in any case: those of a palette, and greys.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            picture.load()
            if as_colors and picture.mode in ("1", "L", "P"):
                picture = picture.convert("RGB")
            return mask_values(picture, size)
    except Exception as error:  # decoders of damaged files raise anything
        raise UserError(f"{str(path)!r} cannot be read as a picture: {describe(error)}") from error


def mask_values(picture: Image.Image, size: tuple[int, int]) -> UInt8[np.ndarray, "h w *c"]:
    """The values of pixels, places in a palette among them, or colours; of those between two pixels, the nearer one.

    Raises:
        ValueError: a value that is above 255.
    """
    height, width = size
    if picture.mode not in ("1", "L", "P", "I;16", "I"):
        return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.NEAREST))
    values = np.asarray(picture.resize((width, height), Image.Resampling.NEAREST))
    if values.max(initial=0) > np.iinfo(np.uint8).max:
        raise ValueError(f"a pixel has the value {values.max()}; a mask has at most 255")
    return values.astype(np.uint8)


def check_size(size: tuple[int, int], channels: int) -> None:
    """Raises ValueError unless they can be those of an image."""
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size: must be (height, width), but is {size}")
    if channels not in (1, 3):
        raise ValueError(f"channels: must be 1 or 3, but is {channels}")


def with_drawn_parts(parts: Mapping[str, Sequence[T]], share: float, seed: int) -> dict[str, list[T]]:
    """The items of "train", "val" and "test"; a part that is not there takes a `share` of those of "train".

    Raises:
        UserError: there are too few.
    """
    lacking, given = [part for part in PARTS if part not in parts], parts["train"]
    found = {part: list(items) for part, items in parts.items()}
    if not lacking:
        return found
    num, size = len(given), max(1, round(share * len(given)))
    if size * len(lacking) >= num:
        raise UserError(f"{num} examples are too few to draw {' and '.join(lacking)} from; give more, or such a folder")
    order = np.random.default_rng(seed).permutation(num)
    for place, part in enumerate([*lacking, "train"]):
        stop = None if part == "train" else (place + 1) * size
        found[part] = [given[index] for index in order[place * size : stop]]
    return found
