"""Scenes of handwritten digits, to find each of them by its pixels or by a box: offline, made of scikit-learn's digits.

A scene is a noisy background with a few strokes of clutter and some digits of different size, contrast and place, which
hardly overlap. Digits of the test scenes are others than those of training, as in `digits`. Everything follows from
the seed, and a smaller split is the beginning of a larger one.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from nas_jax.data.arrays import Dataset, Split
from nas_jax.data.settings import augmentation_of, check_seed

_SIZES = (10, 18)  # of a digit, in pixels
_IS_INK = 0.35  # of a digit's pixels in [0, 1]
_MAX_OVERLAP = 0.15  # of a digit's square with another one
_NUM_TRIES = 20


class _Digits(NamedTuple):
    images: np.ndarray  # [n, 8, 8] in [0, 1]
    labels: np.ndarray  # [n], 0..num_classes - 1


@dataclass(frozen=True)
class DigitScenes:
    """Arrays "image" and, by `kind`, "mask" (0: background), or "boxes" and "labels".

    Args:
        kind: "segmentation" or "detection".
        size: Height and width of a scene in pixels.
        max_digits: There are one to so many in a scene.
        num_classes: The digits from 0 on that occur.
    """

    kind: str = "segmentation"
    size: int = 32
    max_digits: int = 2
    num_classes: int = 3
    num_train: int = 1024
    num_val: int = 256
    num_test: int = 256
    seed: int = 0
    pad: int = 2
    flip: bool = False
    cutout: int = 0

    def __post_init__(self) -> None:
        augmentation_of(self)
        check_seed(self.seed)
        if self.kind not in ("segmentation", "detection"):
            raise ValueError(f"kind: choose from segmentation, detection; got {self.kind!r}")
        if self.size < _SIZES[1]:
            raise ValueError(f"size: must be at least {_SIZES[1]}, but is {self.size}")
        if not 1 <= self.num_classes <= 10:
            raise ValueError(f"num_classes: must lie in 1..10, but is {self.num_classes}")
        for field in ("max_digits", "num_train", "num_val", "num_test"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}: must be at least 1, but is {getattr(self, field)}")

    def load(self) -> Dataset:
        digits = load_digits()
        is_used, is_test = digits.target < self.num_classes, np.arange(len(digits.target)) % 5 == 0
        training, testing = (
            _Digits(digits.images[chosen] / 16, digits.target[chosen])
            for chosen in (is_used & ~is_test, is_used & is_test)
        )
        names = tuple(str(digit) for digit in range(self.num_classes))
        return Dataset(
            name="digit_scenes",
            train=self._draw(training, 0, self.num_train),
            val=self._draw(training, 1, self.num_val),
            test=self._draw(testing, 2, self.num_test),
            class_names=("background", *names) if self.kind == "segmentation" else names,
            augmentation=augmentation_of(self),
        )

    def _draw(self, digits: _Digits, stream: int, num: int) -> Split:
        scenes = [self._scene(np.random.default_rng((self.seed, stream, place)), digits) for place in range(num)]
        return {name: np.stack([scene[name] for scene in scenes]) for name in scenes[0]}

    def _scene(self, rng: np.random.Generator, digits: _Digits) -> Split:
        size = self.size
        canvas = rng.uniform(0.1, 0.5) + 0.04 * rng.normal(size=(size, size))
        for _ in range(rng.integers(0, 4)):
            _draw_stroke(canvas, rng)
        mask = np.zeros((size, size), np.uint8)
        is_taken = np.zeros((size, size), bool)
        boxes = np.zeros((self.max_digits, 4), np.float32)
        labels = np.full(self.max_digits, -1, np.int32)
        for number in range(rng.integers(1, self.max_digits + 1)):
            chosen, side = int(rng.integers(len(digits.labels))), int(rng.integers(_SIZES[0], _SIZES[1] + 1))
            place = _free_place(rng, is_taken, side)
            if place is None:
                break
            top, left = place
            ink = _enlarged(digits.images[chosen], side)
            window = np.s_[top : top + side, left : left + side]
            is_ink = ink > _IS_INK
            contrast = rng.uniform(0.35, 0.6) * rng.choice([1, 1, -1])  # some are darker than what is behind them
            canvas[window] += contrast * ink
            mask[window][is_ink] = digits.labels[chosen] + 1
            is_taken[window] = True
            rows, columns = np.flatnonzero(is_ink.any(axis=1)), np.flatnonzero(is_ink.any(axis=0))
            corners = (top + rows[0], left + columns[0], top + rows[-1] + 1, left + columns[-1] + 1)
            boxes[number], labels[number] = np.array(corners) / size, digits.labels[chosen]
        image = np.round(255 * np.clip(canvas, 0, 1)).astype(np.uint8)[..., None]
        if self.kind == "segmentation":
            return {"image": image, "mask": mask}
        return {"image": image, "boxes": boxes, "labels": labels}


make = DigitScenes


def _draw_stroke(canvas: np.ndarray, rng: np.random.Generator) -> None:
    """A straight line somewhere, brighter or darker than what is there."""
    ends, contrast = rng.uniform(0, len(canvas), size=(2, 2)), rng.uniform(-0.3, 0.3)
    points = np.linspace(ends[0], ends[1], 2 * len(canvas)).astype(int).clip(0, len(canvas) - 1)
    canvas[tuple(np.unique(points, axis=0).T)] += contrast


def _free_place(rng: np.random.Generator, is_taken: np.ndarray, side: int) -> tuple[int, int] | None:
    """A corner for a square that hardly meets what is taken, None where none is found."""
    for _ in range(_NUM_TRIES):
        top, left = (int(each) for each in rng.integers(0, len(is_taken) - side + 1, size=2))
        if is_taken[top : top + side, left : left + side].mean() <= _MAX_OVERLAP:
            return top, left
    return None


def _enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """A digit in [0, 1], `side` pixels wide and high."""
    picture = Image.fromarray(np.round(255 * image).astype(np.uint8))
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC), np.float64) / 255
