"""Handwritten digits, 8x8 pixels: 1,797 images that come with scikit-learn, so nothing is downloaded.

The set has no test split of its own. Every fifth image (360) is kept for it, whatever the seed: writers
follow each other in the file, so this takes some digits of each.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

from nas_jax.data.arrays import Dataset, split_indices
from nas_jax.data.settings import augmentation_of, check_seed


@dataclass(frozen=True)
class Digits:
    """1,437 images to train and validate on, 360 to test on; None takes all that is left."""

    num_train: int | None = None
    num_val: int = 287
    num_test: int | None = None
    seed: int = 0
    pad: int = 1
    flip: bool = False

    def __post_init__(self) -> None:
        augmentation_of(self)
        check_seed(self.seed)

    def load(self) -> Dataset:
        digits = load_digits()
        images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]  # pixels come as 0..16
        labels = digits.target.astype(np.int32)
        is_test = np.arange(len(labels)) % 5 == 0
        training, testing = np.flatnonzero(~is_test), np.flatnonzero(is_test)
        indices = split_indices(
            len(training),
            len(testing),
            num_train=self.num_train,
            num_val=self.num_val,
            num_test=self.num_test,
            seed=self.seed,
        )
        train, val, test = (
            {"image": images[chosen], "label": labels[chosen]}
            for chosen in (training[indices.train], training[indices.val], testing[indices.test])
        )
        return Dataset(
            name="digits",
            train=train,
            val=val,
            test=test,
            class_names=tuple(str(digit) for digit in digits.target_names),
            augmentation=augmentation_of(self),
        )


make = Digits
