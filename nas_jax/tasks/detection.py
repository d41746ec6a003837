"""Object detection: boxes around things, each with a class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from PIL import Image, ImageDraw

from nas_jax.data.arrays import PARTS, Augmentation, Batch, Dataset, Spec
from nas_jax.data.augment import Moves, draw_moves
from nas_jax.data.augment_boxes import move_boxes
from nas_jax.tasks.average_precision import THRESHOLDS, Detections, Truth, average_precisions, match
from nas_jax.tasks.base import Shown, Words
from nas_jax.tasks.boxes import pairwise_iou, suppress
from nas_jax.tasks.classification import listed_classes
from nas_jax.tasks.dense_boxes import decode, flat, is_hit, losses_of, places_of, targets_of
from nas_jax.tasks.images import check_images, move_images, normalized_images, text_of_images
from nas_jax.tasks.pixels import COLORS, enlarged, factor_of, side_by_side

Maps = Sequence[Float[Array, "b _ _ c"]]

_NUM_CANDIDATES = 200  # of an image, before boxes suppress each other
_LEAST_SCORE = 0.02
_SHOWN_SCORE = 0.3  # from which on a person should look at a box
_EXAMPLE = """\
names = json.loads(Path("genome.json").read_text())["spec"]["class_names"]
for boxes, scores, labels in zip(*(detections[name] for name in ("boxes", "scores", "labels"))):
    print([(names[label], score, box) for box, score, label in zip(boxes, scores, labels) if label >= 0])"""


class Rows(NamedTuple):
    """Of each example: what was found, what is there, and the loss."""

    boxes: Float[Array, "b k 4"]
    scores: Float[Array, "b k"]
    labels: Int[Array, "b k"]
    true_boxes: Float[Array, "b m 4"]
    true_labels: Int[Array, "b m"]
    loss: Float[Array, " b"]
    num_classes: Int[Array, " b"]  # the same everywhere


@dataclass(frozen=True)
class Detection:
    """Finds objects: arrays "image", "boxes", float32 [n, m, 4], and "labels", int32 [n, m], places in `class_names`.

    Boxes are ymin, xmin, ymax, xmax in shares of height and width; what fills up has the label -1. Networks give maps,
    see `nas_jax.tasks.dense_boxes`; the loss of an example is the focal loss of its places, as a share of an object,
    and `box_weight` times the mean of 1 - GIoU.

    `map_50` is the mean over classes of the average precision at an overlap of a half, `map` the mean of those at
    .5, .55, … .95, both as COCO's evaluation counts them (`average_precision.py`).

    Args:
        max_overlap: Two detections of a class that overlap by more are one (in IoU).
        max_detections: Of an image, 100 at most.
    """

    box_weight: float = 2.0
    max_overlap: float = 0.5
    max_detections: int = 50

    input_name: ClassVar[str] = "image"
    signature: ClassVar[str] = "image -> pyramid"
    metric_names: ClassVar[tuple[str, ...]] = ("map_50", "map", "loss")
    class_metric_names: ClassVar[tuple[str, ...]] = ("ap_50",)
    maximize: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.max_overlap < 1:
            raise ValueError(f"max_overlap={self.max_overlap}: has to lie between 0 and 1")
        if not 1 <= self.max_detections <= 100:
            raise ValueError(f"max_detections={self.max_detections}: has to lie in 1..100")
        if self.box_weight < 0:
            raise ValueError(f"box_weight={self.box_weight}: has to be at least 0")

    def check(self, dataset: Dataset) -> None:
        check_images(dataset)
        arrays, num = dataset.spec.arrays, len(dataset.class_names)
        boxes, labels = arrays.get("boxes"), arrays.get("labels")
        if boxes is None or boxes.dtype != "float32" or boxes.shape[1:] != (4,):
            raise ValueError(f"there must be an array 'boxes', float32 [n, m, 4]; it is {boxes}")
        if labels is None or labels.dtype != "int32" or labels.shape != boxes.shape[:1]:
            raise ValueError(f"there must be an array 'labels', int32 [n, {boxes.shape[0]}]; it is {labels}")
        for part in PARTS:
            split = getattr(dataset, part)
            is_there = split["labels"] >= 0
            if not is_there.any():
                raise ValueError(f"{part}: no image has a box")
            if split["labels"].min() < -1 or split["labels"].max() >= num:
                raise ValueError(f"{part}: labels must lie in 0..{num - 1}, the places of {num} class_names, or be -1")
            real = split["boxes"][is_there]
            if real.min() < 0 or real.max() > 1:
                raise ValueError(f"{part}: boxes must be in shares of height and width, from 0 to 1")
            if not (real[:, :2] < real[:, 2:]).all():
                raise ValueError(f"{part}: a box has no area; boxes are ymin, xmin, ymax, xmax")

    def doubts(self, dataset: Dataset) -> tuple[str, ...]:
        found = []
        for part in PARTS:
            labels = getattr(dataset, part)["labels"]
            counts = np.bincount(labels[labels >= 0], minlength=len(dataset.class_names))
            lacking = [name for name, count in zip(dataset.class_names, counts, strict=True) if not count]
            if lacking:
                found.append(f"no box of the {part} images is of the class {', '.join(lacking)}")
        return tuple(found)

    def num_outputs(self, spec: Spec) -> int:
        """A logit a class, and the distances to four edges."""
        return len(spec.class_names) + 4

    def draw(self, key: jax.Array, num: int, augmentation: Augmentation) -> Moves:
        return draw_moves(key, num, augmentation)

    def augment(self, batch: Batch, draws: Moves, augmentation: Augmentation) -> Batch:
        """Boxes move with their images; a cutout covers images alone."""
        size = batch["image"].shape[1:3]
        boxes, labels = move_boxes(batch["boxes"], batch["labels"], draws, augmentation.pad, size)
        return {**move_images(batch, draws, augmentation), "boxes": boxes, "labels": labels}

    def inputs(self, batch: Batch, spec: Spec, dtype: jax.typing.DTypeLike) -> Float[Array, "b h w c"]:
        return normalized_images(batch, spec, dtype)

    def loss(self, outputs: Maps, batch: Batch) -> Float[Array, " b"]:
        outputs = [each.astype(jnp.float32) for each in outputs]
        places, raw = places_of(outputs), flat(outputs)
        boxes = decode(raw[..., -4:], places)

        def of_one(
            logits: jax.Array, said: jax.Array, true_boxes: jax.Array, true_labels: jax.Array
        ) -> tuple[jax.Array, jax.Array]:
            return losses_of(logits, said, targets_of(true_boxes, true_labels, places))

        classes, overlaps = jax.vmap(of_one)(raw[..., :-4], boxes, batch["boxes"], batch["labels"])
        return classes + self.box_weight * overlaps

    def metric_sums(self, outputs: Maps, batch: Batch, is_real: Bool[Array, " b"]) -> Rows:
        """A row for each example, see `Gathering`."""
        return Rows(
            **self.predict(outputs),
            true_boxes=batch["boxes"],
            true_labels=batch["labels"],
            loss=self.loss(outputs, batch),
            num_classes=jnp.full(len(is_real), outputs[0].shape[-1] - 4),
        )

    def gather(self, parts: Sequence[Any], num: int) -> Any:
        return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:num], *parts)

    def metrics(self, sums: Any, num: int) -> dict[str, float]:
        precisions = _precisions(sums)
        means = np.nanmean(precisions, axis=1)
        return {"map_50": float(means[0]), "map": float(means.mean()), "loss": float(np.mean(sums.loss))}

    def class_metrics(self, sums: Any, num: int) -> dict[str, Float[np.ndarray, " k"]]:
        return {"ap_50": _precisions(sums)[0]}

    def scores(self, outputs: Maps, batch: Batch) -> Float[Array, " b"]:
        """F1 of each image at an overlap of a half, of the detections that a person would look at; 1 of nothing."""
        found = self.predict(outputs)
        labels = jnp.where(found["scores"] >= _SHOWN_SCORE, found["labels"], -1)
        hits = jax.vmap(is_hit)(found["boxes"], labels, batch["boxes"], batch["labels"]).sum(axis=1)
        total = (labels >= 0).sum(axis=1) + (batch["labels"] >= 0).sum(axis=1)
        return jnp.where(total > 0, 2 * hits / jnp.maximum(total, 1), 1.0)

    def predict(self, outputs: Maps) -> dict[str, Array]:
        """Of each image the detections, the best first: "boxes" [b, k, 4] in shares, "scores" and "labels" [b, k].

        What fills up has the label -1 and the score 0. Of an image's answers the 200 with the best scores are looked
        at, those from a score of 0.02 on.
        """
        outputs = [each.astype(jnp.float32) for each in outputs]
        places, raw = places_of(outputs), flat(outputs)
        boxes, scores = decode(raw[..., -4:], places), jax.nn.sigmoid(raw[..., :-4])
        return jax.vmap(self._best)(jnp.clip(boxes, 0, 1), scores)

    def _best(self, boxes: Float[Array, "p 4"], scores: Float[Array, "p c"]) -> dict[str, Array]:
        num_classes = scores.shape[1]
        num = min(_NUM_CANDIDATES, scores.size)
        best, places = jax.lax.top_k(scores.ravel(), num)
        labels, candidates = (places % num_classes).astype(jnp.int32), boxes[places // num_classes]
        stays = suppress(candidates, best, labels, self.max_overlap) & (best >= _LEAST_SCORE)
        order = jnp.argsort(jnp.where(stays, -best, 1.0), stable=True)[: self.max_detections]
        is_there = stays[order]
        missing = self.max_detections - len(order)
        return {
            "boxes": jnp.pad(jnp.where(is_there[:, None], candidates[order], 0.0), ((0, missing), (0, 0))),
            "scores": jnp.pad(jnp.where(is_there, best[order], 0.0), (0, missing)),
            "labels": jnp.pad(jnp.where(is_there, labels[order], -1), (0, missing), constant_values=-1),
        }

    def describe(self, prediction: dict[str, np.ndarray], spec: Spec) -> list[str]:
        """A line for each detection from a score of 0.3 on, the best first: its class, score and corners.

        Those are in pixels of the image as the network has it, of which each line says how many there are.
        """
        height, width, _ = spec.image_shape
        lines = [
            f"{spec.class_names[label]}  {score:.2f}  rows {box[0] * height:.0f} to {box[2] * height:.0f} of {height}, "
            f"columns {box[1] * width:.0f} to {box[3] * width:.0f} of {width}"
            for box, score, label in zip(*_shown(prediction), strict=True)
        ]
        return lines or ["nothing found"]

    def show(self, example: Batch, prediction: dict[str, np.ndarray], spec: Spec) -> Shown:
        """The image with what was found and, where that is known, beside it with what is there."""
        boxes, scores, labels = _shown(prediction)
        names = [f"{spec.class_names[label]} {score:.2f}" for score, label in zip(scores, labels, strict=True)]
        found = _drawn(example["image"], boxes, labels, names)
        if "boxes" not in example:
            return Shown(tuple(self.describe(prediction, spec)), found)
        is_there = np.asarray(example["labels"]) >= 0
        true_boxes, true_labels = np.asarray(example["boxes"])[is_there], np.asarray(example["labels"])[is_there]
        there = _drawn(example["image"], true_boxes, true_labels, [spec.class_names[label] for label in true_labels])
        overlaps = pairwise_iou(boxes, true_boxes) * (labels[:, None] == true_labels[None])
        num_hits = int((match(overlaps, 0.5) >= 0).sum())
        lines = (
            "Left: what was found; right: what is there.",
            f"{num_hits} of {len(true_boxes)} boxes found, and {len(boxes) - num_hits} that are not there",
        )
        return Shown(lines, side_by_side([found, there]))

    def words(self, spec: Spec) -> Words:
        k = self.max_detections
        return Words(
            title="A detector of objects",
            takes=text_of_images(spec),
            gives=f"up to {k} boxes, each with one of {len(spec.class_names)} classes and a score",
            inputs="images",
            predictions="detections",
            type=f"boxes float32 [n, {k}, 4], scores float32 [n, {k}], labels int32 [n, {k}]",
            example=_EXAMPLE,
            facts=(("Classes", listed_classes(spec.class_names)),),
            limits=(
                "It knows only its classes, and finds nothing else.",
                "A score is no probability that has been checked; what to take for found is for you to choose.",
            ),
        )


make = Detection


def _precisions(rows: Rows) -> Float[np.ndarray, "t c"]:
    """Of the classes that are there, in the order of their places; of others, NaN."""
    truth = Truth(np.asarray(rows.true_boxes), np.asarray(rows.true_labels))
    found = Detections(*(np.asarray(part) for part in (rows.boxes, rows.scores, rows.labels)))
    return average_precisions(found, truth, int(rows.num_classes[0]), THRESHOLDS)


def _shown(prediction: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, scores and labels from the score on from which a person should look at them."""
    chosen = (prediction["labels"] >= 0) & (prediction["scores"] >= _SHOWN_SCORE)
    return prediction["boxes"][chosen], prediction["scores"][chosen], prediction["labels"][chosen]


def _drawn(image: np.ndarray, boxes: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The image, enlarged, with boxes whose colours are of their classes."""
    picture = Image.fromarray(enlarged(np.asarray(image), factor_of(np.asarray(image))))
    draw = ImageDraw.Draw(picture)
    for box, label, name in zip(boxes, labels, names, strict=True):
        top, left, bottom, right = (np.asarray(box) * np.array([picture.height, picture.width] * 2)).tolist()
        color = COLORS[int(label) % len(COLORS)]
        draw.rectangle((left, top, max(right - 1, left), max(bottom - 1, top)), outline=color, width=2)
        draw.text((left + 3, top + 1), name, fill=color)
    return np.asarray(picture)
