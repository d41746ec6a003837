"""Any image classification set of TensorFlow Datasets, by name (tensorflow.org/datasets/catalog).

Reading a prepared set needs no TensorFlow; the first start, which downloads and prepares it, does. Only the examples
that a split takes are read, at about 0.15 ms each for CIFAR-10, most of it decoding, where threads do not help.
"""

import contextlib
import difflib
import importlib.util
import io
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from nas_jax.data.arrays import Augmentation, Dataset, Split, check_seed, split_indices
from nas_jax.errors import UserError

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's names, by number of channels


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

    def __post_init__(self) -> None:
        Augmentation(self.pad, self.flip, self.cutout)
        check_seed(self.seed)

    def load(self) -> Dataset:
        with _quiet_absl():
            builder = _prepared_builder(self.dataset, self.data_dir)
            layout = _layout(builder)
            training = _source(builder, layout, "train")
            testing = _source(builder, layout, "test", "validation")
            indices = split_indices(
                len(training),
                len(testing),
                num_train=self.num_train,
                num_val=self.num_val,
                num_test=self.num_test,
                seed=self.seed,
            )
            return Dataset(
                name=self.dataset,
                train=_read(training, indices.train, layout),
                val=_read(training, indices.val, layout),
                test=_read(testing, indices.test, layout),
                class_names=tuple(builder.info.features[layout.label].names),
                augmentation=Augmentation(self.pad, self.flip, self.cutout),
            )


make = Tfds


class _Layout(NamedTuple):
    """Where an example keeps its image and its label, and which mode of Pillow's the image has."""

    image: str
    label: str
    mode: str


def _prepared_builder(dataset: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """The data set, downloaded and prepared unless it was before."""
    try:
        builder = tfds.builder(dataset, data_dir=data_dir and os.path.expanduser(data_dir))
    except tfds.core.DatasetNotFoundError as error:
        names = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(dataset, names, n=5) or ["tensorflow.org/datasets/catalog"]
        raise UserError(f"data.dataset: TensorFlow Datasets has no {dataset!r}; see {', '.join(close)}") from error
    except (ValueError, AssertionError) as error:  # a malformed name; a version that there is not
        raise UserError(f"data.dataset: {dataset!r}: {_first_line(error)}") from error
    if builder.is_prepared():
        return builder

    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            f"{dataset} is not prepared in {builder.data_dir_root}; preparing it needs TensorFlow: run "
            "\"pip install 'nas_jax[prepare]'\" (from a clone: pip install -e '.[prepare]') and start again, "
            "or point --config.data.data_dir at a prepared copy"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow greets at length when it is imported
    try:
        builder.download_and_prepare(file_format="array_record")
    except Exception as error:  # a builder is anybody's code, on top of a network and a disk
        raise UserError(f"{dataset} could not be prepared in {builder.data_dir_root}: {_first_line(error)}") from error
    return builder


def _layout(builder: tfds.core.DatasetBuilder) -> _Layout:
    features = builder.info.features
    match builder.info.supervised_keys:
        case (str(image), str(label)) if (
            isinstance(features[image], tfds.features.Image)
            and features[image].np_dtype == np.uint8
            and features[image].shape[-1] in _MODES
            and isinstance(features[label], tfds.features.ClassLabel)
        ):
            return _Layout(image, label, _MODES[features[image].shape[-1]])
    raise UserError(
        f"data.dataset: {builder.name!r} is no image classification set: its input must be an 8-bit image and its "
        f"target a class label, but TFDS gives {builder.info.supervised_keys} of {', '.join(features)}"
    )


def _source(builder: tfds.core.DatasetBuilder, layout: _Layout, *names: str) -> Any:
    """The examples, with images still encoded, of the first of these splits that there is."""
    for name in names:
        if name in builder.info.splits:
            try:
                return builder.as_data_source(name, decoders={layout.image: tfds.decode.SkipDecoding()})
            except NotImplementedError as error:
                raise UserError(
                    f"{builder.name} in {builder.data_dir_root} is stored as {builder.info.file_format.value}, which "
                    "has no random access; point --config.data.data_dir at another folder to prepare it anew"
                ) from error
    raise UserError(
        f"data.dataset: {builder.name!r} has no split {' or '.join(names)}; it has {', '.join(builder.info.splits)}"
    )


def _read(source: Any, indices: np.ndarray, layout: _Layout) -> Split:
    images: list[np.ndarray] = []
    labels: list[int] = []
    for start in range(0, len(indices), 1024):  # one at a time is slow, all at once holds every file twice
        for example in source.__getitems__(indices[start : start + 1024].tolist()):
            image = np.asarray(Image.open(io.BytesIO(example[layout.image])).convert(layout.mode))
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


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__


@contextlib.contextmanager
def _quiet_absl() -> Iterator[None]:
    """Keeps TFDS from warning of what is normal here, such as a folder with no data set in it yet."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
