"""Images made up from a seed, for tests: a pattern a class, plus noise. Any shape, any number of classes.

A pattern is independent random pixels, so with a few dozen of them the nearest pattern is nearly always the
right one.
"""

from dataclasses import dataclass

import numpy as np

from nas_jax.data.arrays import Dataset, Split
from nas_jax.data.settings import augmentation_of, check_seed


@dataclass(frozen=True)
class Synthetic:
    """Classes are equally frequent. A smaller split is the beginning of a larger one."""

    image_shape: tuple[int, int, int] = (8, 8, 1)  # height, width, channels
    num_classes: int = 4
    num_train: int = 256
    num_val: int = 64
    num_test: int = 64
    noise: float = 0.2  # standard deviation, where black is 0 and white is 1
    seed: int = 0
    pad: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        augmentation_of(self)
        check_seed(self.seed)
        if len(self.image_shape) != 3 or min(self.image_shape) < 1:
            raise ValueError(f"image_shape: must be (height, width, channels), but is {self.image_shape}")
        for field in ("num_classes", "num_train", "num_val", "num_test"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}: must be at least 1, but is {getattr(self, field)}")
        if self.noise < 0:
            raise ValueError(f"noise: must not be negative, but is {self.noise}")

    def load(self) -> Dataset:
        patterns = np.random.default_rng((self.seed, 0)).uniform(size=(self.num_classes, *self.image_shape))

        def draw(stream: int, size: int) -> Split:
            labels = np.arange(size, dtype=np.int32) % self.num_classes
            noise = np.random.default_rng((self.seed, stream)).normal(size=(size, *self.image_shape))
            images = np.clip(patterns[labels] + self.noise * noise, 0, 1)
            return {"image": np.round(images * 255).astype(np.uint8), "label": labels}

        return Dataset(
            name="synthetic",
            train=draw(1, self.num_train),
            val=draw(2, self.num_val),
            test=draw(3, self.num_test),
            class_names=tuple(str(label) for label in range(self.num_classes)),
            augmentation=augmentation_of(self),
        )


make = Synthetic
