"""Arrays that NumPy saved, of images with labels, masks or boxes: `data.npz`, or a folder with one such file.

Its arrays are named `train_images`, `train_masks`, `val_images`, …: a part, and what it has of each example.

| in the file | here | |
|---|---|---|
| `images` | `image` | uint8 [n, h, w, c] |
| `labels` | `label` | [n], places in the file's `class_names` |
| `masks` | `mask` | [n, h, w], a class for each pixel, kept as uint8; 255 is left out of everything |
| `boxes` | `boxes` | [n, m, 4], ymin, xmin, ymax, xmax in shares of height and width, 0 where there is none |
| `labels` | `labels` | [n, m], beside `boxes`, the class of each box, -1 where there is none |

Other arrays of the file are not read, unless they differ from these in capitals alone, which is refused.
"""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_jax.data.arrays import PARTS, Dataset, Split
from nas_jax.data.parts import PART_NAMES, both_of_one_part
from nas_jax.data.settings import augmentation_of, check_seed, check_sizes, path_of
from nas_jax.errors import UserError

_NAMES = ("images", "labels", "masks", "boxes")


@dataclass(frozen=True)
class SavedArrays:
    """What a file has of the parts; validation is drawn from training where it is missing, by `val_share`.

    Args:
        path: A file `.npz`, or a folder with one.
        num_train, num_val, num_test: How many of the first examples of each part are used; None: all.
        pad, flip, cutout, flip_vertically: How training images are changed, see `Augmentation`.
    """

    path: str = ""
    num_train: int | None = None
    num_val: int | None = None
    num_test: int | None = None
    val_share: float = 0.2
    seed: int = 0
    pad: int = 4
    flip: bool = True
    cutout: int = 0
    flip_vertically: bool = False

    def __post_init__(self) -> None:
        augmentation_of(self)
        check_seed(self.seed)
        if not 0 < self.val_share < 1:
            raise ValueError(f"val_share={self.val_share}: has to lie between 0 and 1")
        check_sizes(num_train=self.num_train, num_val=self.num_val, num_test=self.num_test)

    def load(self) -> Dataset:
        path = _find(self.path)
        arrays = _read(path)
        parts = {part: _part(path, arrays, part) for part in PARTS if _name_in(arrays, part)}
        for part in ("train", "test"):
            if part not in parts:
                raise UserError(
                    f"data.path={str(path)!r}: there is no array '{part}_images'; only 'val' can be left out, and is "
                    "then taken of 'train'"
                )
        for part, split in parts.items():
            if split.keys() != parts["train"].keys():
                has = ", ".join(sorted(split.keys() ^ parts["train"].keys()))
                raise UserError(f"data.path={str(path)!r}: of 'train' and {part!r} only one has the arrays of {has}")
        if "val" not in parts:
            parts["train"], parts["val"] = self._split(parts["train"])
        for part, size in (("train", self.num_train), ("val", self.num_val), ("test", self.num_test)):
            num = len(parts[part]["image"])
            if size is not None and size > num:
                raise UserError(f"num_{part}: {size} asked for, and there are {num}; use at most that")
            parts[part] = {name: array[:size] for name, array in parts[part].items()}
        return Dataset(
            name=path.stem,
            train=parts["train"],
            val=parts["val"],
            test=parts["test"],
            class_names=_class_names(path, arrays, parts),
            augmentation=augmentation_of(self),
        )

    def _split(self, train: Split) -> tuple[Split, Split]:
        num = len(train["image"])
        num_val = max(1, round(self.val_share * num))
        if num_val >= num:
            raise UserError(f"data.path: {num} training examples cannot be split; give the file 'val_images' as well")
        order = np.random.default_rng(self.seed).permutation(num)
        kept, chosen = order[num_val:], order[:num_val]
        return tuple({name: array[places] for name, array in train.items()} for places in (kept, chosen))  # type: ignore[return-value]


make = SavedArrays


def _find(path: str) -> Path:
    if not path:
        raise UserError("data.path: name a file .npz, or a folder with one: --config.data.path=…")
    given = path_of(path)
    if given.is_file():
        return given
    files = sorted(given.glob("*.npz")) if given.is_dir() else []
    if len(files) != 1:
        found = f"there are {len(files)} files .npz in it; name one of them" if files else "there is no such file .npz"
        raise UserError(f"data.path={path!r}: {found}")
    return files[0]


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise UserError(f"data.path={str(path)!r} is one array; save all by numpy.savez, in a file .npz")
        with loaded as file:
            _check_names(path, file.files)
            wanted = [name for name in file.files if name == "class_names" or name.rpartition("_")[2] in _NAMES]
            return {name: file[name] for name in wanted}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"data.path={str(path)!r} cannot be read as arrays of NumPy: {reason}") from error


def _check_names(path: Path, names: Sequence[str]) -> None:
    """Raises UserError if an array would be passed over that seems to be of a part, or two are of one part."""
    known = {part: [f"{name}_{kind}" for name in PART_NAMES[part] for kind in _NAMES] for part in PARTS}
    right = {"class_names", *(name for each in known.values() for name in each)}
    for name in names:
        if name not in right and name.lower() in right:
            raise UserError(f"data.path={str(path)!r}: the array {name!r} has to be named {name.lower()!r}")
    for part in PARTS:
        given = [name for name in known[part] if name in names]
        for name in given:
            if name.partition("_")[0] != given[0].partition("_")[0]:
                raise UserError(f"data.path={str(path)!r}: {both_of_one_part(given[0], name, part, 'arrays')}")
        if part == "val" and given and not given[0].endswith("_images"):
            raise UserError(f"data.path={str(path)!r}: there is {given[0]!r}, and no array of the images that it is of")


def _name_in(arrays: dict[str, np.ndarray], part: str) -> str | None:
    """What the file calls a part, None where it has none."""
    return next((name for name in PART_NAMES[part] if f"{name}_images" in arrays), None)


def _part(path: Path, arrays: dict[str, np.ndarray], part: str) -> Split:
    prefix = _name_in(arrays, part)
    given = {name: arrays[f"{prefix}_{name}"] for name in _NAMES if f"{prefix}_{name}" in arrays}
    for name, array in given.items():
        if len(array) != len(given["images"]):
            raise UserError(
                f"data.path={str(path)!r}: {prefix}_{name} has {len(array)} examples, and {prefix}_images "
                f"{len(given['images'])}"
            )
    images = given["images"]
    if images.dtype != np.uint8:
        raise UserError(
            f"data.path={str(path)!r}: {prefix}_images must be pixels 0..255 as uint8, but are {images.dtype}"
        )
    split: Split = {"image": images[..., None] if images.ndim == 3 else images}
    if "masks" in given:
        split["mask"] = _classes_of_pixels(path, f"{prefix}_masks", given["masks"])
    if "boxes" in given:
        split["boxes"] = given["boxes"].astype(np.float32)
    if "labels" in given:
        split["labels" if "boxes" in given else "label"] = _whole(path, f"{prefix}_labels", given["labels"])
    return split


def _whole(path: Path, name: str, labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind not in "iu":
        raise UserError(f"data.path={str(path)!r}: {name} must be whole numbers, but are {labels.dtype}")
    return labels.astype(np.int32)


def _classes_of_pixels(path: Path, name: str, masks: np.ndarray) -> np.ndarray:
    """Masks as uint8, however they were saved."""
    if masks.dtype.kind not in "biu":
        raise UserError(f"data.path={str(path)!r}: {name} must be whole numbers, but are {masks.dtype}")
    if masks.size and (masks.min() < 0 or masks.max() > 255):
        raise UserError(
            f"data.path={str(path)!r}: {name} has {masks.min()}..{masks.max()}; pixels must be places of class_names, "
            "or 255 to be left out"
        )
    return masks.astype(np.uint8)


def _class_names(path: Path, arrays: dict[str, np.ndarray], parts: dict[str, Split]) -> tuple[str, ...]:
    """Those of the file; where it has none, the numbers of the classes that there are."""
    if "class_names" in arrays:
        names = arrays["class_names"].ravel().tolist()
        return tuple(name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in names)
    labels = [split[name] for split in parts.values() for name in ("label", "labels", "mask") if name in split]
    used = [
        int(each[each != 255].max(initial=0)) if each.dtype == np.uint8 else int(each.max(initial=-1))
        for each in labels
    ]
    if not used:
        raise UserError(f"data.path={str(path)!r}: there are images, and neither labels nor masks nor boxes")
    return tuple(str(label) for label in range(max(used) + 1))
