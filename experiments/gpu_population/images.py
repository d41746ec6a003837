"""Images of CIFAR-10 from one file, for machines that have neither a network nor TensorFlow Datasets.

The file has the arrays `images` (uint8 [n, 32, 32, 3]), `labels` [n], `test_images` and `test_labels`. Where a
`decode.py` lies beside it, the file is packed in some other way, and `decode.read(path)` gives the four. In configs
this source is `experiments.gpu_population.images`.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_jax.data.arrays import Augmentation, Dataset, Split, split_indices
from nas_jax.errors import UserError

ARRAYS = ("images", "labels", "test_images", "test_labels")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Images:
    """`num_val` of the training images are for validation; None of a number takes all that are left."""

    path: str
    num_train: int | None = None
    num_val: int = 3000
    num_test: int | None = None

    def load(self) -> Dataset:
        path = Path(self.path)
        if not path.exists():
            raise UserError(f"data.path: there is no file {self.path!r}")
        images, labels, test_images, test_labels = _read(path)
        indices = split_indices(
            len(labels), len(test_labels), num_train=self.num_train, num_val=self.num_val, num_test=self.num_test
        )

        def split(images: np.ndarray, labels: np.ndarray, chosen: np.ndarray) -> Split:
            return {"image": images[chosen], "label": labels[chosen].astype(np.int32)}

        return Dataset(
            name="cifar10",
            train=split(images, labels, indices.train),
            val=split(images, labels, indices.val),
            test=split(test_images, test_labels, indices.test),
            class_names=CLASSES,
            augmentation=Augmentation(pad=4, flip=True),
        )


make = Images


def _read(path: Path) -> Any:
    decoder = path.with_name("decode.py")
    if not decoder.exists():
        with np.load(path) as file:
            return [file[name] for name in ARRAYS]
    module_spec = importlib.util.spec_from_file_location("decode", decoder)
    assert module_spec is not None and module_spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module.read(str(path))
