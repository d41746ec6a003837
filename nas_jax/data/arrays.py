"""Images in memory: splits, batches and augmentation.

A data set is a few NumPy arrays of 8-bit pixels, a quarter of the memory of float32; `normalize` makes
floats of a batch where it is used. Host code shuffles indices, device code augments pixels.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8

from nas_jax.errors import UserError


class Split(NamedTuple):
    """Examples that are used for one purpose."""

    images: UInt8[np.ndarray, "n h w c"]
    labels: Int32[np.ndarray, " n"]


@dataclass(frozen=True)
class Augmentation:
    """How a training image may be moved: padded with zeros, cropped back at random, and mirrored."""

    pad: int = 0  # pixels on each side
    flip: bool = False  # left to right, every other image on average

    def __post_init__(self) -> None:
        if self.pad < 0:
            raise ValueError(f"pad: must not be negative, but is {self.pad}")


@dataclass(frozen=True, eq=False)
class Dataset:
    """An image classification problem. Two are equal only if they are the same object.

    Raises:
        ValueError: arrays of the wrong type or shape, or labels outside the classes.
    """

    name: str
    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    augmentation: Augmentation = Augmentation()

    def __post_init__(self) -> None:
        for part in ("train", "val", "test"):
            images, labels = getattr(self, part)
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != self.image_shape:
                raise ValueError(f"{part}: images must be uint8 and [n, h, w, c], as the training images are")
            if labels.dtype != np.int32 or labels.shape != images.shape[:1] or not len(labels):
                raise ValueError(f"{part}: labels must be int32 and [n], one an image, and not empty")
            if labels.min() < 0 or labels.max() >= self.num_classes:
                raise ValueError(f"{part}: labels must lie in 0..{self.num_classes - 1}")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def mean(self) -> tuple[float, ...]:
        """Of each channel of the training images, scaled to [0, 1]."""
        return self._moments[0]

    @property
    def std(self) -> tuple[float, ...]:
        """As `mean`; 1 for a channel that never changes, so that dividing by it is safe."""
        return self._moments[1]

    @functools.cached_property
    def _moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        # From counts of the 256 pixel values: exact, and quick. In blocks, since bincount copies to int64.
        blocks = np.array_split(self.train.images, -(-len(self.train.images) // 1024))
        values = np.arange(256)
        means, stds = [], []
        for channel in range(self.image_shape[2]):
            counts = sum(np.bincount(block[..., channel].ravel(), minlength=256) for block in blocks)
            mean = float(np.average(values, weights=counts))
            std = float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))
            means.append(mean / 255)
            stds.append(std / 255 or 1.0)
        return tuple(means), tuple(stds)


@runtime_checkable
class DataSource(Protocol):
    """Where a data set comes from. A frozen dataclass, so that it hashes, compares and pickles.

    Its constructor raises ValueError for settings that can never be right.
    """

    def __hash__(self) -> int: ...

    def load(self) -> Dataset:
        """The same settings give the same examples in the same order.

        Raises:
            UserError: what the user must fix, such as a split that is smaller than what is asked of it.
        """
        ...


def check_seed(seed: int) -> None:
    """Raises ValueError unless NumPy and JAX can both start from `seed`."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed}: has to be at least 0 and below 2**32")


@functools.lru_cache(maxsize=2)
def load(source: DataSource) -> Dataset:
    """`source.load()`, remembered, for the many trials of one process. The arrays are made read-only."""
    dataset = source.load()
    for split in (dataset.train, dataset.val, dataset.test):
        for array in split:
            array.setflags(write=False)
    return dataset


class Indices(NamedTuple):
    """Which examples a split takes: `train` and `val` of the training part, `test` of the test part."""

    train: np.ndarray  # [num_train], int64
    val: np.ndarray  # [num_val]
    test: np.ndarray  # [num_test]


def split_indices(
    num_training: int,
    num_testing: int,
    *,
    num_train: int | None = None,
    num_val: int,
    num_test: int | None = None,
    seed: int = 0,
) -> Indices:
    """Draws disjoint splits from the `num_training` and `num_testing` examples that a data set comes with.

    Training takes from the front of one permutation and validation from its back: a smaller split is the
    beginning of a larger one, and the size of one does not change the other. None takes all that is left.

    Raises:
        UserError: a size that is not positive, or more examples than there are.
    """
    left = num_training - num_val
    for field, size, available, of in (
        ("num_val", num_val, num_training - 1, f"the training split has {num_training}"),
        (
            "num_train",
            num_train,
            left,
            f"the training split has {num_training}, {num_val} are for validation",
        ),
        ("num_test", num_test, num_testing, f"the test split has {num_testing}"),
    ):
        if size is not None and size < 1:
            raise UserError(f"{field}: must be at least 1, but is {size}")
        if size is not None and size > available:
            raise UserError(f"{field}: {size} asked for, {of}; use at most {available}")
    training = np.random.default_rng((seed, 0)).permutation(num_training)
    testing = np.random.default_rng((seed, 1)).permutation(num_testing)
    return Indices(training[: left if num_train is None else num_train], training[::-1][:num_val], testing[:num_test])


class EpochBatches(NamedTuple):
    """Indices of the examples of one epoch: whole batches, and what is left over, less than one."""

    full: Int32[np.ndarray, "num_batches batch_size"]
    rest: Int32[np.ndarray, " num_left"]


def epoch_batches(rng: np.random.Generator, num_examples: int, batch_size: int) -> EpochBatches:
    """All examples once, shuffled.

    Raises:
        ValueError: `batch_size` is not in 1..`num_examples`.
    """
    if not 1 <= batch_size <= num_examples:
        raise ValueError(f"batch_size: must lie in 1..{num_examples}, the number of examples, but is {batch_size}")
    order = rng.permutation(num_examples).astype(np.int32)
    num_full = num_examples // batch_size * batch_size
    return EpochBatches(order[:num_full].reshape(-1, batch_size), order[num_full:])


class Moves(NamedTuple):
    """How each image of a batch is moved: the corner of its crop of the padded image, and whether it is mirrored."""

    top: Int32[jax.Array, "b 1"]
    left: Int32[jax.Array, "b 1"]
    is_flipped: Bool[jax.Array, "b 1"]


def draw_moves(key: jax.Array, num_images: int, augmentation: Augmentation) -> Moves:
    """Draws a move for each image on its own. `augmentation` is static under `jax.jit`.

    All are remainders of one draw of bits: each further draw is code to compile for each network. An offset's
    probability is wrong by less than 1e-8.
    """
    bits = jax.random.bits(key, (3, num_images, 1), jnp.uint32)
    top, left = (bits[:2] % (2 * augmentation.pad + 1)).astype(jnp.int32)
    return Moves(top, left, (bits[2] % 2 == 1) & augmentation.flip)


def augment(
    key: jax.Array, images: UInt8[jax.Array | np.ndarray, "b h w c"], augmentation: Augmentation
) -> UInt8[jax.Array, "b h w c"]:
    """Moves and mirrors each image on its own. `augmentation` is static under `jax.jit`."""
    return move(images, draw_moves(key, len(images), augmentation), augmentation.pad)


def move(images: UInt8[jax.Array | np.ndarray, "b h w c"], moves: Moves, pad: int) -> UInt8[jax.Array, "b h w c"]:
    """Images padded with `pad` zeros on each side, then cropped and mirrored as `moves` says."""
    # One gather by row and column does it all: mirroring is counting the columns down.
    b, h, w, _ = images.shape
    top, left, is_flipped = moves
    x = jnp.arange(w)[None]
    rows = top + jnp.arange(h)[None]  # [b, h]
    columns = left + jnp.where(is_flipped, w - 1 - x, x)  # [b, w]
    padded = jnp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return padded[jnp.arange(b)[:, None, None], rows[:, :, None], columns[:, None, :]]


def normalize(
    images: UInt8[jax.Array | np.ndarray, "b h w c"],
    mean: Sequence[float],
    std: Sequence[float],
    dtype: Any = jnp.float32,
) -> Float[jax.Array, "b h w c"]:
    """Pixels 0..255 to zero mean and unit deviation. `mean` and `std`, one a channel, are of pixels in [0, 1]."""
    scale = 1 / (255 * np.asarray(std, np.float32).reshape(1, 1, 1, -1))
    shift = np.asarray(mean, np.float32).reshape(1, 1, 1, -1) * 255
    return ((jnp.asarray(images, jnp.float32) - shift) * scale).astype(dtype)
