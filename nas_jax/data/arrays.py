"""Data in memory: splits of named arrays, what one example of them is, and the order in which training sees them.

A data set is a few NumPy arrays. Images are 8-bit pixels, a quarter of the memory of float32; `augment.normalize` makes
floats of a batch where it is used. Host code shuffles indices, device code augments pixels.
"""

import functools
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Int32

from nas_jax.data.pixels import Moments, moments_of
from nas_jax.errors import UserError, wanted
from nas_jax.trial import freeze

Batch: TypeAlias = Mapping[str, Any]  # arrays by name, with the same leading axis: "image", "label", …
Split: TypeAlias = dict[str, np.ndarray]  # a batch of all examples that are used for one purpose

PARTS = ("train", "val", "test")


def num_examples(batch: Batch) -> int:
    """The length of the leading axis."""
    return len(next(iter(batch.values())))


class ArraySpec(NamedTuple):
    """An array of one example."""

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        """Of `n` examples: `uint8 [n, 8, 8, 1]`."""
        return f"{self.dtype} [{', '.join(map(str, ('n', *self.shape)))}]"


class Spec(NamedTuple):
    """What one example of a data set is, whatever the number of them. With it a network can be built without the data.

    `mean` and `std` are of each channel of the training images, scaled to [0, 1]; a channel that never changes has the
    `std` 1, so that dividing by it is safe. They are empty where there is no array "image" of 8-bit pixels.
    """

    name: str  # of the data set
    arrays: dict[str, ArraySpec]
    class_names: tuple[str, ...] = ()  # empty where there are no classes
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    vocabulary: tuple[str, ...] = ()  # of the array "tokens", see `nas_jax.data.tokens`; empty where there is no text

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Height, width and channels of the array "image"."""
        return self.arrays["image"].shape


def spec_to_json(spec: Spec) -> dict[str, Any]:
    return {**spec._asdict(), "arrays": {name: array._asdict() for name, array in spec.arrays.items()}}


def spec_from_json(record: Mapping[str, Any]) -> Spec:
    fields = {name: freeze(value) for name, value in record.items() if name != "arrays"}
    arrays = {name: ArraySpec(freeze(array["shape"]), array["dtype"]) for name, array in record["arrays"].items()}
    return Spec(**fields, arrays=arrays)


@dataclass(frozen=True)
class Augmentation:
    """How a training image may be changed: padded with zeros, cropped back at random, mirrored, and covered in part.

    Raises:
        ValueError: pixels that are no whole number, or negative; a flip that is neither True nor False.
    """

    pad: int = 0  # pixels on each side
    flip: bool = False  # left to right, every other image on average
    cutout: int = 0  # side of a grey square, in pixels, whose centre is anywhere in the image
    flip_vertically: bool = False  # upside down, every other image on average

    def __post_init__(self) -> None:
        for name in ("pad", "cutout"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool):
                raise ValueError(f"{name}: must be a whole number of pixels, but is {reprlib.repr(value)}")
            if value < 0:
                raise ValueError(f"{name}: must not be negative, but is {value}")
        for name in ("flip", "flip_vertically"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ValueError(f"{name}: must be True or False, but is {reprlib.repr(getattr(self, name))}")


class Stored(NamedTuple):
    """Training examples that stay in files (`nas_jax.data.stored`), and are read batch by batch."""

    folder: str
    moments: Moments  # of the array "image"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples to train, to validate and to test on. Two data sets are equal only if they are the same object.

    What the arrays have to be is for the task to say (`Task.check`). `stored` says from which files those of `train`
    are mapped, if they are too large for memory.

    Raises:
        ValueError: splits that are no mappings of names to arrays of numbers, without examples, of different arrays, or
            of numbers with more than 32 bits or that are not finite; images without pixels; names that are no text; an
            augmentation that is none.
    """

    name: str
    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...] = ()
    augmentation: Augmentation = Augmentation()
    vocabulary: tuple[str, ...] = ()
    stored: Stored | None = None
    notes: tuple[str, ...] = ()  # lines for a person: what its files leave open

    def __post_init__(self) -> None:
        _check_names(self.name, self.class_names)
        if not isinstance(self.augmentation, Augmentation):
            raise ValueError(
                "augmentation: must be an Augmentation, such as Augmentation(pad=4, flip=True), but is "
                f"{reprlib.repr(self.augmentation)}"
            )
        for part in PARTS:
            _check_arrays(part, getattr(self, part))
        expected = _array_specs(self.train)
        for part in PARTS:
            split: Split = getattr(self, part)
            if split.keys() != self.train.keys():
                raise ValueError(f"{part}: has the arrays {', '.join(split)}; train has {', '.join(self.train)}")
            lengths = {name: len(array) for name, array in split.items()}
            if len(set(lengths.values())) != 1 or not num_examples(split):
                raise ValueError(f"{part}: arrays must have the same length, and not be empty; got {lengths}")
            if "image" in split and not split["image"].size:
                raise ValueError(f"{part}: image is {expected['image']}, which has no pixels")
            for name, array in _array_specs(split).items():
                if array != expected[name]:
                    raise ValueError(f"{part}: {name} is {array}; in train it is {expected[name]}")
                if np.dtype(array.dtype).itemsize > 4:
                    raise ValueError(
                        f"{part}: {name} is {array.dtype}; numbers must have at most 32 bits: use astype(np.int32) or "
                        "astype(np.float32)"
                    )

    @functools.cached_property
    def spec(self) -> Spec:
        """What one example is."""
        arrays = _array_specs(self.train)
        is_image = "image" in arrays and arrays["image"].dtype == "uint8" and len(arrays["image"].shape) == 3
        if self.stored is not None:
            moments = self.stored.moments
        else:
            moments = moments_of(self.train["image"]) if is_image else Moments()
        return Spec(self.name, arrays, self.class_names, *moments, self.vocabulary)


def _check_names(name: Any, class_names: Any) -> None:
    if not isinstance(name, str):
        raise ValueError(f"name: must be text, but is {reprlib.repr(name)}")
    if not isinstance(class_names, tuple) or not all(isinstance(each, str) for each in class_names):
        raise ValueError(f"class_names: must be a tuple of text, but are {reprlib.repr(class_names)}")
    for each in (name, *class_names):
        if not each.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in each):
            raise ValueError(f"the name {each!r} is no UTF-8: what it names has to be called otherwise")


def _check_arrays(part: str, split: Any) -> None:
    """Raises ValueError unless a split is a mapping of names to NumPy's arrays of finite numbers."""
    if not isinstance(split, Mapping) or not split:
        raise ValueError(
            f"{part}: must be a dictionary of arrays, such as {{'image': …, 'label': …}}, but is {_kind(split)}"
        )
    for name, array in split.items():
        if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
            raise ValueError(f"{part}: {name} must be a NumPy array, but is {_kind(array)}")
        if array.dtype.kind not in "biuf" or not array.ndim:
            raise ValueError(f"{part}: {name} must be numbers [n, …], but is {array.dtype} {list(array.shape)}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{part}: {name} has values that are not finite")


def _kind(value: Any) -> str:
    """What something is: `a list`, or `None`."""
    return "None" if value is None else f"of the type {type(value).__name__}"


def _array_specs(split: Split) -> dict[str, ArraySpec]:
    return {name: ArraySpec(array.shape[1:], array.dtype.name) for name, array in split.items()}


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


@functools.lru_cache(maxsize=2)
def load(source: DataSource) -> Dataset:
    """`source.load()`, remembered, for the many trials of one process. The arrays are made read-only."""
    title = f"{type(source).__module__}.{type(source).__qualname__}.load"
    with wanted(f"{title} returns a nas_jax.data.arrays.Dataset, see docs/data.md"):
        dataset = source.load()
    if not isinstance(dataset, Dataset):
        raise UserError(
            f"{title} has to return a nas_jax.data.arrays.Dataset, but what it returned is {_kind(dataset)}"
        )
    for split in (dataset.train, dataset.val, dataset.test):
        for array in split.values():
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
