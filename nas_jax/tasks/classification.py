"""Classification: one label an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
import optax
from jaxtyping import Bool, Float, Int

from nas_jax.data.arrays import PARTS, Augmentation, Batch, Dataset, Spec
from nas_jax.data.augment import Moves, draw_moves
from nas_jax.data.doubts import doubts_about_labels
from nas_jax.tasks.base import Shown, Words
from nas_jax.tasks.images import check_images, move_images, normalized_images, text_of_images
from nas_jax.tasks.pixels import enlarged, factor_of

_MAX_NAMES = 20  # of classes that a card lists
_NUM_SHOWN = 5  # classes of a prediction in words
EXAMPLE = """\
names = json.loads(Path("genome.json").read_text())["spec"]["class_names"]
for row in probabilities:
    print(names[row.argmax()], row.max())"""


UNCALIBRATED = "The probabilities are those of a softmax, and nobody has checked that they are calibrated."


class Sums(NamedTuple):
    """Over the examples of a batch; of each class `[k]` how many are it, and were said to be it rightly."""

    num_are: Int[jax.Array, " k"]
    num_hits: Int[jax.Array, " k"]
    loss: Float[jax.Array, ""]


@dataclass(frozen=True)
class Classification:
    """Names the class of an image: arrays "image", and "label" with the places of classes in `class_names`.

    Networks give a logit a class. The loss is the cross entropy in nats; `loss` among the metrics is without the label
    smoothing.
    """

    label_smoothing: float = 0.0

    input_name: ClassVar[str] = "image"
    signature: ClassVar[str] = "image -> vector"
    metric_names: ClassVar[tuple[str, ...]] = ("accuracy", "loss")
    class_metric_names: ClassVar[tuple[str, ...]] = ("accuracy",)
    maximize: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing={self.label_smoothing}: has to be at least 0 and below 1")

    def check(self, dataset: Dataset) -> None:
        check_images(dataset)
        check_labels(dataset, "an image")

    def doubts(self, dataset: Dataset) -> tuple[str, ...]:
        return doubts_about_labels(dataset, "label")

    def num_outputs(self, spec: Spec) -> int:
        return len(spec.class_names)

    def draw(self, key: jax.Array, num: int, augmentation: Augmentation) -> Moves:
        return draw_moves(key, num, augmentation)

    def augment(self, batch: Batch, draws: Moves, augmentation: Augmentation) -> Batch:
        return move_images(batch, draws, augmentation)

    def inputs(self, batch: Batch, spec: Spec, dtype: jax.typing.DTypeLike) -> Float[jax.Array, "b h w c"]:
        return normalized_images(batch, spec, dtype)

    def loss(self, outputs: Float[jax.Array, "b k"], batch: Batch) -> Float[jax.Array, " b"]:
        return cross_entropy(outputs, batch["label"], self.label_smoothing)

    def metric_sums(self, outputs: Float[jax.Array, "b k"], batch: Batch, is_real: Bool[jax.Array, " b"]) -> Sums:
        losses = cross_entropy(outputs, batch["label"])
        are = (jax.nn.one_hot(batch["label"], outputs.shape[-1]) > 0) & is_real[:, None]
        return Sums(
            num_are=are.sum(axis=0),
            num_hits=(are & is_correct(outputs, batch["label"])[:, None]).sum(axis=0),
            loss=jnp.where(is_real, losses, 0.0).sum(),
        )

    def metrics(self, sums: Any, num: int) -> dict[str, float]:
        return {"accuracy": float(sums.num_hits.sum() / num), "loss": float(sums.loss / num)}

    def class_metrics(self, sums: Any, num: int) -> dict[str, Float[np.ndarray, " k"]]:
        """The accuracy among the examples of each class, also called its recall."""
        are = np.asarray(sums.num_are, np.float64)
        return {"accuracy": np.where(are > 0, np.asarray(sums.num_hits) / np.maximum(are, 1), np.nan)}

    def scores(self, outputs: Float[jax.Array, "b k"], batch: Batch) -> Float[jax.Array, " b"]:
        """1 for a hit, else 0."""
        return is_correct(outputs, batch["label"]).astype(jnp.float32)

    def predict(self, outputs: Float[jax.Array, "b k"]) -> Float[jax.Array, "b k"]:
        """Probabilities, in the order of `class_names`."""
        return jax.nn.softmax(outputs.astype(jnp.float32))

    def describe(self, prediction: Float[np.ndarray, " k"], spec: Spec) -> list[str]:
        """A line for each of the most probable classes, the first being the best."""
        best = np.argsort(-prediction, kind="stable")[:_NUM_SHOWN]
        width = max(len(spec.class_names[k]) for k in best)
        return [f"{spec.class_names[k]:<{width}}  {prediction[k]:.4f}" for k in best]

    def show(self, example: Batch, prediction: Float[np.ndarray, " k"], spec: Spec) -> Shown:
        """The image, its class where that is known, and the most probable ones."""
        image = np.asarray(example["image"])
        picture = enlarged(image, factor_of(image))
        return Shown((*right_class(example, spec), *self.describe(prediction, spec)), picture)

    def words(self, spec: Spec) -> Words:
        names = spec.class_names
        return Words(
            title="A classifier of images",
            takes=text_of_images(spec),
            gives=f"a probability to each of {len(names)} classes",
            inputs="images",
            predictions="probabilities",
            type=f"float32 [n, {len(names)}]",
            example=EXAMPLE,
            facts=(("Classes", listed_classes(names)),),
            limits=(
                "It knows only its classes: every image gets one of them, whatever it shows.",
                UNCALIBRATED,
            ),
        )


def check_labels(dataset: Dataset, each: str) -> None:
    """Raises ValueError unless each example ("an image") has one of the classes."""
    label, num = dataset.spec.arrays.get("label"), len(dataset.class_names)
    if label is None or label.dtype != "int32" or label.shape:
        raise ValueError(f"there must be an array 'label', int32 [n], one {each}; 'label' is {label}")
    for part in PARTS:
        labels = getattr(dataset, part)["label"]
        if labels.min() < 0 or labels.max() >= num:
            raise ValueError(f"{part}: labels must lie in 0..{num - 1}, the places of {num} class_names")


def right_class(example: Batch, spec: Spec) -> tuple[str, ...]:
    """A line that says it, where it is known."""
    return (f"It is: {spec.class_names[int(example['label'])]}",) if "label" in example else ()


def listed_classes(names: Sequence[str]) -> str:
    """The first of them, and how many there are beside."""
    left = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {left:,} more, see genome.json" if left > 0 else "")


def cross_entropy(
    logits: Float[jax.Array, "b k"], labels: Int[jax.Array, " b"], label_smoothing: float = 0.0
) -> Float[jax.Array, " b"]:
    """The loss of each example, in nats; smoothed targets as in Szegedy et al. 2016, section 7."""
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), label_smoothing)
    return optax.softmax_cross_entropy(logits, targets)


def is_correct(logits: Float[jax.Array, "b k"], labels: Int[jax.Array, " b"]) -> Bool[jax.Array, " b"]:
    """Whether the most probable class is the right one."""
    return jnp.argmax(logits, axis=-1) == labels


make = Classification
