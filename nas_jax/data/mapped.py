"""A data set written to files, which processes of one machine map into memory: they share one copy of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_jax.data.arrays import PARTS, Augmentation, Dataset, Split, Stored
from nas_jax.data.stored import read_stored
from nas_jax.errors import UserError


@dataclass(frozen=True)
class Mapped:
    """What `write_mapped` has left in `folder`."""

    folder: str
    name: str
    arrays: tuple[str, ...]  # their names
    class_names: tuple[str, ...]
    augmentation: Augmentation
    vocabulary: tuple[str, ...] = ()
    stored: Stored | None = None  # where the training examples are, if not in `folder`

    def load(self) -> Dataset:
        train = self._part("train") if self.stored is None else read_stored(self.stored.folder)
        val, test = self._part("val"), self._part("test")
        return Dataset(self.name, train, val, test, self.class_names, self.augmentation, self.vocabulary, self.stored)

    def _part(self, part: str) -> Split:
        return {name: np.load(_path(self.folder, part, name), mmap_mode="r") for name in self.arrays}


def write_mapped(dataset: Dataset, folder: Path) -> Mapped:
    """Writes the arrays of a data set, but for those that are in files already; returns the source that maps them.

    Raises:
        UserError: they do not fit there.
    """
    for part in PARTS if dataset.stored is None else PARTS[1:]:
        for name, array in getattr(dataset, part).items():
            try:
                np.save(_path(str(folder), part, name), array)
            except OSError as error:  # NumPy's own says neither where nor which
                raise UserError(
                    f"cannot write the data set for the workers to {folder}: {error}; make room there, or name another "
                    "place by the environment variable TMPDIR (with Slurm execution.folder)"
                ) from error
    return Mapped(
        str(folder),
        dataset.name,
        tuple(dataset.train),
        dataset.class_names,
        dataset.augmentation,
        dataset.vocabulary,
        dataset.stored,
    )


def _path(folder: str, part: str, name: str) -> Path:
    return Path(folder) / f"{part}_{name}.npy"
