"""A data set written to files, which processes of one machine map into memory: they share one copy of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_jax.data.arrays import Augmentation, Dataset, Split

_PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Mapped:
    """What `write_mapped` has left in `folder`."""

    folder: str
    name: str
    class_names: tuple[str, ...]
    augmentation: Augmentation

    def load(self) -> Dataset:
        train, val, test = (Split(*(np.load(path, mmap_mode="r") for path in _paths(self.folder, p))) for p in _PARTS)
        return Dataset(self.name, train, val, test, self.class_names, self.augmentation)


def write_mapped(dataset: Dataset, folder: Path) -> Mapped:
    """Writes the arrays of a data set, and returns the source that maps them."""
    for part in _PARTS:
        for path, array in zip(_paths(str(folder), part), getattr(dataset, part), strict=True):
            np.save(path, array)
    return Mapped(str(folder), dataset.name, dataset.class_names, dataset.augmentation)


def _paths(folder: str, part: str) -> tuple[Path, Path]:
    return Path(folder) / f"{part}_images.npy", Path(folder) / f"{part}_labels.npy"
