"""Any image classification set of TensorFlow Datasets, by name (tensorflow.org/datasets/catalog).

Reading a prepared set needs no TensorFlow; the first start, which downloads and prepares it, does. Only the examples
that a split takes are read, at about 0.15 ms each for CIFAR-10, most of it decoding, where threads do not help.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from nas_jax.data.arrays import Dataset, Split, split_indices
from nas_jax.data.settings import augmentation_of, check_seed
from nas_jax.data.stored import training_split
from nas_jax.data.tfds_builder import examples_of, in_blocks, opened, prepared_builder, prepared_files, quiet_absl
from nas_jax.errors import UserError
from nas_jax.pictures import MODES


@dataclass(frozen=True)
class Tfds:
    """The "train" split, less the validation examples, and the "test" split or, for want of it, "validation".

    Prepare a set in one process first: several that find it missing would each download it.
    """

    dataset: str = "cifar10"  # may name a config and a version: "imagenet_resized/32x32:0.1.0"
    data_dir: str | None = None  # None: the environment variable TFDS_DATA_DIR, or ~/tensorflow_datasets
    num_train: int | None = None  # None takes all that is left
    num_val: int = 5000
    num_test: int | None = None
    seed: int = 0
    pad: int = 4
    flip: bool = True
    cutout: int = 0
    stream_dir: str = ""  # a folder that keeps training examples of a set larger than memory, see `stored.py`

    def __post_init__(self) -> None:
        augmentation_of(self)
        check_seed(self.seed)

    def load(self) -> Dataset:
        with quiet_absl():
            builder = prepared_builder(self.dataset, self.data_dir)
            layout = _layout(builder)
            training = examples_of(builder, [layout.image], "train")
            testing = examples_of(builder, [layout.image], "test", "validation")
            indices = split_indices(
                len(training),
                len(testing),
                num_train=self.num_train,
                num_val=self.num_val,
                num_test=self.num_test,
                seed=self.seed,
            )
            train = training_split(
                indices.train.tolist(),
                lambda places: _read(training, places, layout),
                self.stream_dir,
                lambda: [layout, prepared_files(builder)],
            )
            return Dataset(
                name=self.dataset,
                train=train.split,
                val=_read(training, indices.val.tolist(), layout),
                test=_read(testing, indices.test.tolist(), layout),
                class_names=tuple(builder.info.features[layout.label].names),
                augmentation=augmentation_of(self),
                stored=train.stored,
            )


make = Tfds


class _Layout(NamedTuple):
    """Where an example keeps its image and its label, and which mode of Pillow's the image has."""

    image: str
    label: str
    mode: str


def _layout(builder: tfds.core.DatasetBuilder) -> _Layout:
    features = builder.info.features
    match builder.info.supervised_keys:
        case (str(image), str(label)) if (
            isinstance(features[image], tfds.features.Image)
            and features[image].np_dtype == np.uint8
            and features[image].shape[-1] in MODES
            and isinstance(features[label], tfds.features.ClassLabel)
        ):
            return _Layout(image, label, MODES[features[image].shape[-1]])
    raise UserError(
        f"data.dataset: {builder.name!r} is no image classification set: its input must be an 8-bit image and its "
        f"target a class label, but TFDS gives {builder.info.supervised_keys} of {', '.join(features)}"
    )


def _read(source: Any, places: Sequence[int], layout: _Layout) -> Split:
    images: list[np.ndarray] = []
    labels: list[int] = []
    for example in in_blocks(source, places):
        image = np.asarray(opened(example[layout.image]).convert(layout.mode))
        images.append(image.reshape(*image.shape[:2], -1))
        labels.append(example[layout.label])
        if images[-1].shape != images[0].shape:
            raise UserError(
                f"data.dataset: images differ in size, {images[0].shape} and {images[-1].shape}; choose a data "
                "set, or a config of it, that has them resized"
            )
        if labels[-1] < 0:  # how TFDS marks what a competition keeps to itself
            raise UserError("data.dataset: there are examples without a label")
    return {"image": np.stack(images), "label": np.array(labels, np.int32)}
