"""Prepared sets of TensorFlow Datasets, and what their features are; reading them needs no TensorFlow.

The first start, which downloads and prepares a set, does need it.
"""

import contextlib
import difflib
import importlib.util
import io
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import tensorflow_datasets as tfds
from PIL import Image

from nas_jax.data.parts import PART_NAMES
from nas_jax.errors import UserError
from nas_jax.scratch import scratch_folder, temporary_files_in

Builder: TypeAlias = tfds.core.DatasetBuilder

_BLOCK = 1024  # examples


def prepared_builder(dataset: str, data_dir: str | None) -> Builder:
    """The data set, downloaded and prepared unless it was before."""
    try:
        # A builder makes a folder for what it downloads of its description, and leaves it.
        with scratch_folder("tfds") as folder, temporary_files_in(folder):
            builder = tfds.builder(dataset, data_dir=data_dir and os.path.expanduser(data_dir))
    except tfds.core.DatasetNotFoundError as error:
        names = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(dataset, names, n=5) or ["tensorflow.org/datasets/catalog"]
        raise UserError(f"data.dataset: TensorFlow Datasets has no {dataset!r}; see {', '.join(close)}") from error
    except (ValueError, AssertionError) as error:  # a malformed name; a version that there is not
        raise UserError(f"data.dataset: {dataset!r}: {first_line(error)}") from error
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
        raise UserError(f"{dataset} could not be prepared in {builder.data_dir_root}: {first_line(error)}") from error
    return builder


def splits_of_parts(dataset: str, splits: Collection[str]) -> dict[str, str]:
    """The split of each part, by whatever name it goes; "train" is always there, for a set without it to be refused.

    Raises:
        UserError: two splits are of one part.
    """
    found = {"train": "train"}
    for part, names in PART_NAMES.items():
        there = [name for name in names if name in splits]
        if len(there) > 1:
            raise UserError(
                f"data.dataset: {dataset!r} has the splits {' and '.join(there)}, which are of one part; take a set "
                "that has one of them"
            )
        found.update((part, name) for name in there)
    return found


def examples_of(builder: Builder, encoded: Sequence[str], *names: str) -> Any:
    """The examples of the first of these splits that there is; the features `encoded` are bytes of picture files.

    Raises:
        UserError: there is no such split, or its files have no random access.
    """
    for name in names:
        if name in builder.info.splits:
            try:
                return builder.as_data_source(name, decoders={name: tfds.decode.SkipDecoding() for name in encoded})
            except NotImplementedError as error:
                raise UserError(
                    f"{builder.name} in {builder.data_dir_root} is stored as {builder.info.file_format.value}, which "
                    "has no random access; point --config.data.data_dir at another folder to prepare it anew"
                ) from error
    raise UserError(
        f"data.dataset: {builder.name!r} has no split {' or '.join(names)}; it has {', '.join(builder.info.splits)}"
    )


def in_blocks(examples: Any, indices: Sequence[int]) -> Iterator[Any]:
    """The examples at these places: one at a time is slow, all at once holds every file twice."""
    for start in range(0, len(indices), _BLOCK):
        yield from examples.__getitems__([int(index) for index in indices[start : start + _BLOCK]])


def prepared_files(builder: Builder) -> list[Any]:
    """What tells a prepared set from another one: its name and version, and of each file its size and age."""
    files = [(path.name, path.stat().length, path.stat().mtime) for path in sorted(builder.data_path.iterdir())]
    return [builder.info.full_name, *files]


def picture_features(builder: Builder) -> dict[str, int | None]:
    """The features that are pictures, with the number of their channels."""
    return {name: each.shape[-1] for name, each in _of_kind(builder, tfds.features.Image).items()}


def class_features(builder: Builder) -> dict[str, tuple[str, ...]]:
    """The features that are a class, or a picture of classes, with the names of the classes where there are any."""
    kinds = _of_kind(builder, tfds.features.ClassLabel) | _of_kind(builder, tfds.features.LabeledImage)
    return {name: tuple(each.names or ()) for name, each in kinds.items()}


def text_features(builder: Builder) -> list[str]:
    """The features that are text."""
    return list(_of_kind(builder, tfds.features.Text))


class BoxFeature(NamedTuple):
    """A sequence whose elements have a box and a class."""

    box: str
    label: str
    class_names: tuple[str, ...]


def box_features(builder: Builder) -> dict[str, BoxFeature]:
    """The features that are lists of boxes with classes."""
    found = {}
    for name, feature in _of_kind(builder, tfds.features.Sequence).items():
        if isinstance(feature.feature, tfds.features.FeaturesDict):
            parts = feature.feature.items()
            boxes = [part for part, each in parts if isinstance(each, tfds.features.BBoxFeature)]
            labels = {part: each for part, each in parts if isinstance(each, tfds.features.ClassLabel)}
            if boxes and labels:
                label = "label" if "label" in labels else next(iter(labels))  # there may be a "pose", too
                found[name] = BoxFeature(boxes[0], label, tuple(labels[label].names))
    return found


def _of_kind(builder: Builder, kind: type) -> dict[str, Any]:
    return {name: feature for name, feature in builder.info.features.items() if isinstance(feature, kind)}


def opened(encoded: bytes) -> Image.Image:
    """A picture from the bytes of its file."""
    return Image.open(io.BytesIO(encoded))


def text_of(value: bytes | str) -> str:
    """The text of an example, which is stored as UTF-8."""
    return value if isinstance(value, str) else bytes(value).decode("utf-8", errors="replace")


def first_of(title: str, given: str, found: Iterable[str], builder: Builder) -> str:
    """The feature that is named, or the first of those that were found.

    Raises:
        UserError: there is none, or none of that name.
    """
    names = list(found)
    if names and given in ("", *names):
        return given or names[0]
    if names:
        raise UserError(f"data.{title}: {builder.name!r} has no such {given!r}; choose from {', '.join(names)}")
    raise UserError(
        f"data.dataset: {builder.name!r} has nothing that can be its {title}; its features are "
        f"{', '.join(builder.info.features)}"
    )


def first_line(error: Exception) -> str:
    """The first line of what an exception says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__


@contextlib.contextmanager
def quiet_absl() -> Iterator[None]:
    """Keeps TFDS from warning of what is normal here, such as a folder with no data set in it yet."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
