"""A data set written to files, which processes of one machine map into memory: they share one copy of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_jax.data.arrays import PARTS, Augmentation, Dataset


@dataclass(frozen=True)
class Mapped:
    """What `write_mapped` has left in `folder`."""

    folder: str
    name: str
    arrays: tuple[str, ...]  # their names
    class_names: tuple[str, ...]
    augmentation: Augmentation
    vocabulary: tuple[str, ...] = ()

    def load(self) -> Dataset:
        train, val, test = (
            {name: np.load(_path(self.folder, part, name), mmap_mode="r") for name in self.arrays} for part in PARTS
        )
        return Dataset(self.name, train, val, test, self.class_names, self.augmentation, self.vocabulary)


def write_mapped(dataset: Dataset, folder: Path) -> Mapped:
    """Writes the arrays of a data set, and returns the source that maps them."""
    for part in PARTS:
        for name, array in getattr(dataset, part).items():
            np.save(_path(str(folder), part, name), array)
    names, classes = tuple(dataset.train), dataset.class_names
    return Mapped(str(folder), dataset.name, names, classes, dataset.augmentation, dataset.vocabulary)


def _path(folder: str, part: str, name: str) -> Path:
    return Path(folder) / f"{part}_{name}.npy"
