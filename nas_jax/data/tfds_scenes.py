"""Sets of TensorFlow Datasets whose images have masks or boxes: `oxford_iiit_pet`, `voc`, `coco`, `bccd`.

A mask is a feature that is a second picture, with one channel; boxes are a sequence of corners with classes, as TFDS
has them in `objects`. Boxes of crowds (`is_crowd`) are left out. A set has to be prepared, see `tfds_builder.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from nas_jax.data.arrays import Dataset, Split, split_indices
from nas_jax.data.box_lists import box_arrays, with_equal_room
from nas_jax.data.picture_files import check_size, mask_values
from nas_jax.data.settings import augmentation_of, check_seed
from nas_jax.data.stored import training_split
from nas_jax.data.tfds_builder import (
    Builder,
    box_features,
    class_features,
    examples_of,
    first_of,
    in_blocks,
    opened,
    picture_features,
    prepared_builder,
    prepared_files,
    quiet_absl,
)
from nas_jax.errors import UserError
from nas_jax.pictures import MODES

TARGETS = ("masks", "boxes")
_IGNORED = 255


@dataclass(frozen=True)
class TfdsScenes:
    """The split "train", less what is drawn of it for validation, and "test" or, for want of it, "validation".

    Args:
        dataset: May name a config and a version: "voc/2007:4.0.0".
        data_dir: None: the environment variable TFDS_DATA_DIR, or ~/tensorflow_datasets.
        targets: "masks" for segmentation, "boxes" for detection.
        test_split: Another split to test on: the test images of some competitions have no boxes.
        mask_values: What pixels of the classes have in the masks, in the order of `class_names`; pixels with another
            value are left out of everything. Empty: 0, 1, …
        class_names: Of the masks, the background first; empty where the set itself has names.
        size: Height and width that all images are resized to; of a mask the nearest pixel.
        max_boxes: Of an image; 0: as many as an image has at most. Of more the largest are kept.
        num_train, num_val, num_test: How many examples; None: all, or all that are left.
        stream_dir: A folder that keeps training examples of a set larger than memory, see `stored.py`; "": in memory.
        pad, flip, flip_vertically, cutout: How training images are changed, see `Augmentation`.
    """

    dataset: str = "oxford_iiit_pet"
    data_dir: str | None = None
    targets: str = "masks"
    test_split: str = ""
    mask_values: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    size: tuple[int, int] = (96, 96)
    max_boxes: int = 0
    num_train: int | None = None
    num_val: int = 500
    num_test: int | None = None
    seed: int = 0
    stream_dir: str = ""
    pad: int = 4
    flip: bool = True
    flip_vertically: bool = False
    cutout: int = 0

    def __post_init__(self) -> None:
        augmentation_of(self)
        check_seed(self.seed)
        check_size(self.size, 3)
        if self.targets not in TARGETS:
            raise ValueError(f"targets={self.targets!r}: choose from {', '.join(TARGETS)}")
        if self.max_boxes < 0:
            raise ValueError(f"max_boxes={self.max_boxes}: has to be at least 0")
        if self.stream_dir and self.targets == "boxes" and not self.max_boxes:
            raise ValueError("max_boxes: with stream_dir it has to be given, as images are not looked through before")
        if self.mask_values and len(self.mask_values) != len(self.class_names):
            raise ValueError(f"mask_values: there are {len(self.mask_values)}, and {len(self.class_names)} class_names")

    def load(self) -> Dataset:
        with quiet_absl():
            builder = prepared_builder(self.dataset, self.data_dir)
            reader = _Masks(builder, self) if self.targets == "masks" else _Boxes(builder, self)
            others = (self.test_split,) if self.test_split else ("test", "validation")
            training = examples_of(builder, reader.encoded, "train")
            testing = examples_of(builder, reader.encoded, *others)
            indices = split_indices(
                len(training),
                len(testing),
                num_train=self.num_train,
                num_val=self.num_val,
                num_test=self.num_test,
                seed=self.seed,
            )
            kept = training_split(
                indices.train.tolist(),
                lambda places: reader.read(in_blocks(training, places)),
                self.stream_dir,
                lambda: [
                    self.targets,
                    self.mask_values,
                    reader.class_names,
                    self.size,
                    self.max_boxes,
                    prepared_files(builder),
                ],
            )
            splits = (
                kept.split,
                reader.read(in_blocks(training, indices.val.tolist())),
                reader.read(in_blocks(testing, indices.test.tolist())),
            )
            train, val, test = reader.alike(splits)
            return Dataset(
                name=self.dataset,
                train=train,
                val=val,
                test=test,
                class_names=reader.class_names,
                augmentation=augmentation_of(self),
                stored=kept.stored,
            )


make = TfdsScenes


class _Pictures:
    """Which feature is the image: the one that TFDS has for the input, or the one with most channels."""

    def __init__(self, builder: Builder, size: tuple[int, int]) -> None:
        channels = {name: num for name, num in picture_features(builder).items() if num in MODES}
        inputs = [name for name in (builder.info.supervised_keys or ())[:1] if name in channels]
        self.name = first_of("image", "", [*inputs, *sorted(channels, key=lambda name: -channels[name])], builder)
        self.others = [name for name, num in channels.items() if name != self.name and num == 1]
        self._mode = MODES[channels[self.name]]
        self._size = size

    def pixels(self, example: Any) -> UInt8[np.ndarray, "h w c"]:
        height, width = self._size
        picture = opened(example[self.name]).convert(self._mode)
        return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)).reshape(height, width, -1)


class _Masks:
    """Images and masks of examples."""

    def __init__(self, builder: Builder, settings: TfdsScenes) -> None:
        self._pictures = _Pictures(builder, settings.size)
        self._mask = first_of("mask", "", self._pictures.others, builder)
        self._settings = settings
        self.encoded = [self._pictures.name, self._mask]
        self.class_names = settings.class_names or class_features(builder).get(self._mask, ())
        if not self.class_names:
            raise UserError(
                f"data.class_names: {builder.name!r} has no names of what its masks show; give them, the background "
                "first, and data.mask_values where pixels are not 0, 1, …"
            )

    def read(self, examples: Iterable[Any]) -> Split:
        pairs = [(self._pictures.pixels(example), self._classes(example)) for example in examples]
        return {"image": np.stack([image for image, _ in pairs]), "mask": np.stack([mask for _, mask in pairs])}

    def alike(self, splits: Sequence[Split]) -> Sequence[Split]:
        """Their arrays have the same shapes as they are."""
        return splits

    def _classes(self, example: Any) -> UInt8[np.ndarray, "h w"]:
        values = mask_values(opened(example[self._mask]), self._settings.size)
        classes = np.full(values.shape, _IGNORED, np.uint8)
        for place, value in enumerate(self._settings.mask_values or range(len(self.class_names))):
            classes[values == value] = place
        return classes


class _Boxes:
    """Images and boxes of examples."""

    def __init__(self, builder: Builder, settings: TfdsScenes) -> None:
        self._pictures = _Pictures(builder, settings.size)
        self._settings = settings
        self.encoded = [self._pictures.name]
        found = box_features(builder)
        self._objects = first_of("boxes", "", found, builder)
        self._box, self._label, self.class_names = found[self._objects]

    def read(self, examples: Iterable[Any]) -> Split:
        images, listed = [], []
        for example in examples:
            images.append(self._pictures.pixels(example))
            listed.append(self._of(example))
        most = self._settings.max_boxes or max(1, *(len(labels) for _, labels in listed))
        return {"image": np.stack(images), **box_arrays(listed, most)}

    def alike(self, splits: Sequence[Split]) -> Sequence[Split]:
        return with_equal_room(splits)

    def _of(self, example: Any) -> tuple[np.ndarray, np.ndarray]:
        """Corners `[m, 4]` in shares of height and width, and classes `[m]`, of what has an area and is no crowd."""
        objects = example[self._objects]
        boxes = np.asarray(objects[self._box], np.float32).reshape(-1, 4)
        is_crowd = np.asarray(objects.get("is_crowd", np.zeros(len(boxes))), bool)
        is_real = ~is_crowd & (boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])
        return boxes[is_real], np.asarray(objects[self._label], np.int32).reshape(-1)[is_real]
