"""What every task is: what a network learns of the examples, how that is measured, and what its answers mean."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import jax.typing
import numpy as np
from jaxtyping import Bool, Float, UInt8

from nas_jax.data.arrays import Augmentation, Batch, Dataset, DataSource, Spec, load
from nas_jax.data.doubts import doubts_about_inputs
from nas_jax.errors import UserError


class Words(NamedTuple):
    """How a card and a report speak of a network of the task. Plain text, but for `example`, which is Python."""

    title: str  # "A classifier of images"
    takes: str  # "images of 8 x 8 pixels with 1 channel"
    gives: str  # "a probability to each of 10 classes"
    inputs: str  # what several inputs are called: "images"
    predictions: str  # what several predictions are called: "probabilities"
    type: str  # of `n` predictions: "float32 [n, 10]"
    example: str  # lines of Python that do something with a variable of the name `predictions`
    facts: tuple[tuple[str, str], ...] = ()  # rows of a table: ("Classes", "cat, dog")
    limits: tuple[str, ...] = ()  # what nobody should expect of the network, a sentence each


@runtime_checkable
class Task(Protocol):
    """What a network learns. It knows the data set and the network's outputs, and nothing of the network.

    A batch has arrays of the data set by their names. Methods that take one run in compiled functions: they are pure,
    and use `jax.numpy`. Tasks are frozen dataclasses, so that they hash, compare and pickle.
    """

    def __hash__(self) -> int: ...

    @property
    def input_name(self) -> str:
        """The array that a user gives to get a prediction: "image"."""
        ...

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What `metrics` gives. The first one says which of two trainings is the better one."""
        ...

    @property
    def maximize(self) -> bool:
        """Whether more is better in the first one of `metric_names`."""
        ...

    def check(self, dataset: Dataset) -> None:
        """Raises ValueError, in one line, unless the task can be learned of the data set."""
        ...

    def num_outputs(self, spec: Spec) -> int:
        """The length of the vector that the network has to give for each example."""
        ...

    def draw(self, key: jax.Array, num: int, augmentation: Augmentation) -> Any:
        """What is random in the augmentation of `num` examples: a tree of arrays whose leading axis is `num`.

        It is apart from `augment`, as several devices that share a batch draw for all of it and take their part.
        """
        ...

    def augment(self, batch: Batch, draws: Any, augmentation: Augmentation) -> Batch:
        """The batch, changed as `draws` say."""
        ...

    def inputs(self, batch: Batch, spec: Spec, dtype: jax.typing.DTypeLike) -> Any:
        """What the network takes, of a batch that may have the array `input_name` alone."""
        ...

    def loss(self, outputs: Float[jax.Array, "b k"], batch: Batch) -> Float[jax.Array, " b"]:
        """What training minimises, of each example."""
        ...

    def metric_sums(self, outputs: Float[jax.Array, "b k"], batch: Batch, is_real: Bool[jax.Array, " b"]) -> Any:
        """Sums over the examples that are real and no padding: a tree of arrays, which is added up over batches."""
        ...

    def metrics(self, sums: Any, num: int) -> dict[str, float]:
        """The metrics of `num` examples, by `metric_names`. They have to be finite. NumPy, in no compiled function."""
        ...

    def scores(self, outputs: Float[jax.Array, "b k"], batch: Batch) -> Float[jax.Array, " b"]:
        """How good each output is; higher is better. Two networks are compared by them, example by example."""
        ...

    def predict(self, outputs: Float[jax.Array, "b k"]) -> Any:
        """What a user gets: a tree of arrays whose leading axis is the batch."""
        ...

    def describe(self, prediction: Any, spec: Spec) -> list[str]:
        """A prediction of one example in lines for a person. NumPy."""
        ...

    def words(self, spec: Spec) -> Words: ...


@runtime_checkable
class Signed(Protocol):
    """What a task can have beside: what its networks take and give, which a space has to offer (`spaces/base.py`)."""

    @property
    def signature(self) -> str:
        """ "image -> vector", "image -> map", "image -> pyramid", "tokens -> vector" or "tokens -> sequence"."""
        ...


@runtime_checkable
class Doubting(Protocol):
    """What a task can have beside: it says what is odd about a data set, though it can be learned."""

    def doubts(self, dataset: Dataset) -> tuple[str, ...]:
        """A line each, for a person to read before the training."""
        ...


@runtime_checkable
class Gathering(Protocol):
    """What a task has beside whose metrics are of all examples together, and no matter of sums, as those of rankings.

    Its `metric_sums` gives a row for each example of a batch, and `metrics` gets the rows of all that are real.
    """

    def gather(self, parts: Sequence[Any], num: int) -> Any:
        """The rows of batches one after the other, `num` of them. NumPy."""
        ...


class Shown(NamedTuple):
    """An example with what a network says of it, for a person."""

    lines: tuple[str, ...]  # what is right, if that is known, and what was predicted
    picture: UInt8[np.ndarray, "h w 3"] | None = None


@runtime_checkable
class Showing(Protocol):
    """What a task can have beside: it shows a prediction, of masks and boxes as a picture."""

    def show(self, example: Batch, prediction: Any, spec: Spec) -> Shown:
        """An example, without the leading axis, and its prediction; a user's own example has `input_name` alone."""
        ...


@runtime_checkable
class Classwise(Protocol):
    """What a task can have beside: metrics of each class, for a report, and for searches that ask for one.

    That of a class is called `val_iou_of_nucleus`.
    """

    class_metric_names: ClassVar[tuple[str, ...]]

    def class_metrics(self, sums: Any, num: int) -> dict[str, Float[np.ndarray, " k"]]:
        """As `metrics`, of each of `class_names`; NaN where a class does not occur: `{"iou": [k]}`."""
        ...


@dataclass(frozen=True, eq=False)
class Problem:
    """A task on a data set: what a network is trained for. Two are equal only if they are the same object.

    `class_metrics` are those of single classes that are measured beside the task's own: "iou_of_nucleus".

    Raises:
        ValueError: the task cannot be learned of the data set.
    """

    task: Task
    dataset: Dataset
    class_metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.task.check(self.dataset)

    @functools.cached_property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the data set, see `nas_jax.notes`."""
        doubts = self.task.doubts(self.dataset) if isinstance(self.task, Doubting) else ()
        return (*self.dataset.notes, *doubts, *doubts_about_inputs(self.dataset, self.task.input_name))


def load_problem(task: Task, source: DataSource, needed: Sequence[str] = ()) -> Problem:
    """The task on the data of a source, checked once for the many trials of one process.

    Args:
        needed: Validation metrics, of which those of single classes are measured beside the task's own.

    Raises:
        UserError: the task cannot be learned of the data set, or the source has a reason of its own.
    """
    of_classes = class_metric_names(task, load(source).class_names) if needed else ()
    return _loaded_problem(task, source, tuple(name for name in of_classes if f"val_{name}" in needed))


def class_metric_names(task: Task, class_names: Sequence[str]) -> tuple[str, ...]:
    """Of all classes, "iou_of_nucleus" among them; none of a task that does not tell classes apart."""
    metrics = task.class_metric_names if isinstance(task, Classwise) else ()
    return tuple(f"{metric}_of_{name}" for metric in metrics for name in class_names)


@functools.lru_cache(maxsize=2)
def _loaded_problem(task: Task, source: DataSource, class_metrics: tuple[str, ...]) -> Problem:
    dataset = load(source)
    try:
        return Problem(task, dataset, class_metrics)
    except ValueError as error:
        raise UserError(f"the task {type(task).__name__} and the data set {dataset.name!r}: {error}") from error


def space_fields(task: Task, spec: Spec) -> dict[str, Any]:
    """What a space of networks has to know of a problem, by the names of its fields."""
    fields: dict[str, Any] = {"image_shape": spec.image_shape} if "image" in spec.arrays else {}
    if "tokens" in spec.arrays:
        fields |= {"length": spec.arrays["tokens"].shape[0], "num_tokens": len(spec.vocabulary)}
    if isinstance(task, Signed):
        fields["signature"] = task.signature
    return {**fields, "num_outputs": task.num_outputs(spec)}


def best_of(task: Task, values: list[float]) -> int:
    """The place of the best value of the task's first metric, the first of equals."""
    return int(np.argmax(values) if task.maximize else np.argmin(values))


def one_example(tree: Any, place: int) -> Any:
    """An example, or a prediction, of a tree of arrays with a leading axis."""
    return jax.tree.map(lambda array: array[place], tree)
