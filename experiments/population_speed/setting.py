"""What all methods share: the architectures, the data, the recipe, and a stopwatch.

A trial's time has three parts: "train" is the steps, "eval" the validation, "compile" all the rest.
"""

import functools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nas_jax.data.arrays import Dataset, epoch_batches, num_examples
from nas_jax.data.tfds import Tfds
from nas_jax.spaces.chain import Chain
from nas_jax.trial import Genome

LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, WARMUP_EPOCHS = 0.05, 0.9, 5e-4, 0.5
EVAL_BATCH_SIZE = 250
SPACE = Chain((32, 32, 3), 10, min_feature_layers=2, max_feature_layers=5)


@dataclass(frozen=True)
class Setting:
    """How much is trained."""

    data_dir: str | None
    num_architectures: int = 20
    num_train: int = 8192
    num_val: int = 2000
    batch_size: int = 128

    @property
    def genomes(self) -> list[Genome]:
        return SPACE.sample(np.random.default_rng(0), self.num_architectures)

    @property
    def source(self) -> Tfds:
        return Tfds(data_dir=self.data_dir, num_train=self.num_train, num_val=self.num_val, num_test=1)

    @property
    def num_steps(self) -> int:
        return self.num_train // self.batch_size

    def learning_rate(self, step: int) -> float:
        """Linear warm-up over half of the steps, then a cosine."""
        warmup = int(WARMUP_EPOCHS * self.num_steps)
        if step < warmup:
            return LEARNING_RATE * step / warmup
        return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (self.num_steps - warmup)))


class Stopwatch:
    """Seconds and CPU seconds (of all threads) of the parts of a trial.

    CPU seconds do not grow with what else the machine does; of a process that keeps to one core they are what seconds
    would be if it did nothing else.
    """

    def __init__(self) -> None:
        self._last = time.perf_counter(), time.process_time()
        self.spent: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """The time since the last lap, or since the start, went into `part`."""
        now = time.perf_counter(), time.process_time()
        for unit, before, after in zip(("seconds", "cpu_seconds"), self._last, now, strict=True):
            name = f"{part}_{unit}"
            self.spent[name] = self.spent.get(name, 0.0) + after - before
        self._last = now


def training_batches(setting: Setting, dataset: Dataset, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Normalised float32 images `[b, h, w, c]`, cropped and mirrored at random, and labels: plain NumPy."""
    rng = np.random.default_rng(seed)
    for indices in epoch_batches(rng, setting.num_train, setting.batch_size).full:
        images = np.pad(dataset.train["image"][indices], ((0, 0), (4, 4), (4, 4), (0, 0)))
        tops, lefts = rng.integers(0, 9, (2, len(indices)))
        crops = [image[top : top + 32, left : left + 32] for image, top, left in zip(images, tops, lefts, strict=True)]
        is_flipped = rng.integers(0, 2, len(crops))
        images = np.stack([crop[:, ::-1] if flip else crop for crop, flip in zip(crops, is_flipped, strict=True)])
        yield normalized(dataset, images), dataset.train["label"][indices]


def validation_batches(dataset: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, num_examples(dataset.val), EVAL_BATCH_SIZE):
        images, labels = (dataset.val[name][start : start + EVAL_BATCH_SIZE] for name in ("image", "label"))
        yield normalized(dataset, images), labels


def normalized(dataset: Dataset, images: np.ndarray) -> np.ndarray:
    mean, std = moments(dataset)
    return (images - mean) / std


@functools.lru_cache(maxsize=1)
def moments(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel, of pixels 0..255."""
    mean, std = (255 * np.array(values, np.float32) for values in (dataset.spec.mean, dataset.spec.std))
    return mean, std
