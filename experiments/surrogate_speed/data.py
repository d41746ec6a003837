"""Architectures of six genes with five choices each, one-hot, and noisy measurements of a smooth random function."""

from typing import NamedTuple

import numpy as np

NUM_GENES, NUM_CHOICES = 6, 5
_NUM_WAVES = 32
_NOISE_STD = 0.2  # in deviations of the function


class Data(NamedTuple):
    x: np.ndarray  # [n, 30], one-hot
    y: np.ndarray  # [n], standardised
    x_new: np.ndarray  # [1000, 30], other architectures


def draw(num: int, seed: int, num_new: int = 1000) -> Data:
    """Distinct architectures, and targets of mean zero and deviation one."""
    rng = np.random.default_rng([seed, num])
    numbers = rng.choice(NUM_CHOICES**NUM_GENES, num + num_new, replace=False)
    x = _one_hot(np.stack(np.unravel_index(numbers, (NUM_CHOICES,) * NUM_GENES), axis=1))
    importance = np.repeat(np.exp(rng.normal(0, 0.5, NUM_GENES)), NUM_CHOICES)  # some genes matter more than others
    directions = 0.5 * importance[:, None] * rng.normal(size=(x.shape[1], _NUM_WAVES))
    waves = np.tanh(x @ directions + rng.normal(size=_NUM_WAVES))
    function = waves @ rng.normal(size=_NUM_WAVES)
    y = (function + _NOISE_STD * np.std(function) * rng.normal(size=len(x)))[:num]
    return Data(x[:num], (y - np.mean(y)) / np.std(y), x[num:])


def draw_inputs(num: int, seed: int) -> np.ndarray:
    """Any number of architectures `[num, 30]`, which may repeat."""
    return _one_hot(np.random.default_rng(seed).integers(NUM_CHOICES, size=(num, NUM_GENES), dtype=np.int8))


def _one_hot(genes: np.ndarray) -> np.ndarray:
    return (genes[:, :, None] == np.arange(NUM_CHOICES)).reshape(len(genes), -1).astype(float)
