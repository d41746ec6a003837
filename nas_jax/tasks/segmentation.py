"""Semantic segmentation: a class for each pixel of an image."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, UInt8

from nas_jax.data.arrays import PARTS, Augmentation, Batch, Dataset, Spec
from nas_jax.data.augment import Moves, draw_moves, move
from nas_jax.data.pixels import counts_of_values
from nas_jax.tasks.base import Shown, Words
from nas_jax.tasks.classification import listed_classes
from nas_jax.tasks.images import check_images, move_images, normalized_images, text_of_images
from nas_jax.tasks.pixels import enlarged, factor_of, overlaid, side_by_side

IGNORED = 255  # a pixel of which nobody says what it is

_EXAMPLE = """\
names = json.loads(Path("genome.json").read_text())["spec"]["class_names"]
for classes in masks:
    print({name: (classes == place).mean() for place, name in enumerate(names)})"""


class Sums(NamedTuple):
    """Over the pixels of a batch that are not left out."""

    confusion: Int[Array, "k k"]  # rows: what pixels are; columns: what they were said to be
    loss: Float[Array, ""]  # over examples


@dataclass(frozen=True)
class Segmentation:
    """Names the class of each pixel: arrays "image", and "mask", uint8 [n, h, w] with places in `class_names`.

    Pixels of 255 count nowhere. The loss of an example is the mean cross entropy of its pixels in nats, and `dice`
    times the soft Dice loss, 1 less the mean over the classes that an example has of 2 sum(p t) / (sum(p) + sum(t))
    (Milletari et al., "V-Net", 2016, section 3, without their squares); `loss` among the metrics is the cross entropy
    alone.

    `mean_iou` is the mean over classes of intersection over union, each over all pixels of a split; a class that
    neither is there nor was said to be is left out. `foreground_iou` tells the first class, the background, from all
    others together.
    """

    label_smoothing: float = 0.0
    dice: float = 0.0

    input_name: ClassVar[str] = "image"
    signature: ClassVar[str] = "image -> map"
    metric_names: ClassVar[tuple[str, ...]] = ("mean_iou", "foreground_iou", "pixel_accuracy", "loss")
    class_metric_names: ClassVar[tuple[str, ...]] = ("iou",)
    maximize: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing={self.label_smoothing}: has to be at least 0 and below 1")
        if self.dice < 0:
            raise ValueError(f"dice={self.dice}: has to be at least 0")

    def check(self, dataset: Dataset) -> None:
        check_images(dataset)
        arrays, num = dataset.spec.arrays, len(dataset.class_names)
        mask = arrays.get("mask")
        if mask is None or mask.dtype != "uint8" or mask.shape != arrays["image"].shape[:2]:
            expected = ", ".join(map(str, arrays["image"].shape[:2]))
            raise ValueError(f"there must be an array 'mask', uint8 [n, {expected}], as the images; it is {mask}")
        if num < 2:
            raise ValueError(
                f"there must be two class_names at least, the first one the background; got {num}. Pixels of "
                f"{IGNORED} are left out: in masks of 0 and {IGNORED} alone, write 1 for {IGNORED}"
            )
        for part in PARTS:
            counts = counts_of_values(getattr(dataset, part)["mask"])
            known = np.flatnonzero(counts[:IGNORED])
            if not known.size:
                raise ValueError(f"{part}: all pixels of the masks are {IGNORED}, which are left out")
            if part == "train" and known.size == 1 and counts[IGNORED]:
                raise ValueError(
                    f"{part}: all pixels of the masks are {known[0]} or {IGNORED}, which are left out, so there is one "
                    f"class alone; in masks of 0 and {IGNORED}, write 1 for {IGNORED}"
                )
            if known[-1] >= num:
                raise ValueError(
                    f"{part}: a mask has the value {known[-1]}; pixels must be 0..{num - 1}, the places of {num} "
                    f"class_names, or {IGNORED} to be left out"
                )

    def doubts(self, dataset: Dataset) -> tuple[str, ...]:
        found = []
        for part in PARTS:
            counts = counts_of_values(getattr(dataset, part)["mask"])
            lacking = [name for name, count in zip(dataset.class_names, counts, strict=False) if not count]
            if lacking:
                found.append(f"no pixel of the {part} masks is of the class {', '.join(lacking)}")
        return tuple(found)

    def num_outputs(self, spec: Spec) -> int:
        return len(spec.class_names)

    def draw(self, key: jax.Array, num: int, augmentation: Augmentation) -> Moves:
        return draw_moves(key, num, augmentation)

    def augment(self, batch: Batch, draws: Moves, augmentation: Augmentation) -> Batch:
        """Masks move with their images, and pixels from outside are left out; a cutout covers images alone."""
        masks = move(batch["mask"][..., None], draws, augmentation.pad, fill=IGNORED)[..., 0]
        return {**move_images(batch, draws, augmentation), "mask": masks}

    def inputs(self, batch: Batch, spec: Spec, dtype: jax.typing.DTypeLike) -> Float[Array, "b h w c"]:
        return normalized_images(batch, spec, dtype)

    def loss(self, outputs: Float[Array, "b h w k"], batch: Batch) -> Float[Array, " b"]:
        outputs = outputs.astype(jnp.float32)
        loss = _cross_entropy(outputs, batch["mask"], self.label_smoothing)
        return loss + self.dice * soft_dice(outputs, batch["mask"]) if self.dice else loss

    def metric_sums(self, outputs: Float[Array, "b h w k"], batch: Batch, is_real: Bool[Array, " b"]) -> Sums:
        losses = _cross_entropy(outputs.astype(jnp.float32), batch["mask"])
        confusions = _confusions(outputs, batch["mask"])
        return Sums(
            confusion=jnp.where(is_real[:, None, None], confusions, 0).sum(axis=0),
            loss=jnp.where(is_real, losses, 0.0).sum(),
        )

    def metrics(self, sums: Any, num: int) -> dict[str, float]:
        confusion = np.asarray(sums.confusion, np.int64)
        foreground = np.array(
            [[confusion[0, 0], confusion[0, 1:].sum()], [confusion[1:, 0].sum(), confusion[1:, 1:].sum()]]
        )
        iou = iou_of(foreground)[1]
        return {
            "mean_iou": float(np.nanmean(iou_of(confusion))),
            "foreground_iou": 0.0 if np.isnan(iou) else float(iou),
            "pixel_accuracy": float(np.trace(confusion) / confusion.sum()),
            "loss": float(sums.loss / num),
        }

    def class_metrics(self, sums: Any, num: int) -> dict[str, Float[np.ndarray, " k"]]:
        return {"iou": iou_of(np.asarray(sums.confusion, np.int64))}

    def scores(self, outputs: Float[Array, "b h w k"], batch: Batch) -> Float[Array, " b"]:
        """The mean over its classes of the intersection over union in each image; 1 where all of it is left out."""
        confusions = _confusions(outputs, batch["mask"]).astype(jnp.float32)
        hits = jnp.diagonal(confusions, axis1=1, axis2=2)
        unions = confusions.sum(axis=1) + confusions.sum(axis=2) - hits
        is_there = unions > 0
        means = (hits / jnp.maximum(unions, 1)).sum(axis=1) / jnp.maximum(is_there.sum(axis=1), 1)
        return jnp.where(is_there.any(axis=1), means, 1.0)

    def predict(self, outputs: Float[Array, "b h w k"]) -> UInt8[Array, "b h w"]:
        """The most probable class of each pixel."""
        return jnp.argmax(outputs, axis=-1).astype(jnp.uint8)

    def describe(self, prediction: UInt8[np.ndarray, "h w"], spec: Spec) -> list[str]:
        """A line for each class that is there: its share of the pixels."""
        shares = _shares(prediction, len(spec.class_names))
        width = max(map(len, spec.class_names))
        order = np.argsort(-shares, kind="stable")
        return [f"{spec.class_names[k]:<{width}}  {100 * shares[k]:.1f} % of the pixels" for k in order if shares[k]]

    def show(self, example: Batch, prediction: UInt8[np.ndarray, "h w"], spec: Spec) -> Shown:
        """The image under what was predicted and, where that is known, beside it under what is right."""
        factor = factor_of(example["image"])
        picture = enlarged(example["image"], factor)

        def under(mask: np.ndarray) -> np.ndarray:
            return overlaid(picture, mask.repeat(factor, axis=0).repeat(factor, axis=1))

        if "mask" not in example:
            return Shown(tuple(self.describe(prediction, spec)), under(prediction))
        confusion = _confusion(np.asarray(example["mask"]), prediction, len(spec.class_names))
        lines = [
            f"{name}: intersection over union {iou:.3f}"
            for name, iou in zip(spec.class_names, iou_of(confusion), strict=True)
            if not np.isnan(iou)
        ]
        pictures = [picture, under(prediction), under(np.asarray(example["mask"]))]
        return Shown(("Left to right: the image, what was predicted, what is right.", *lines), side_by_side(pictures))

    def words(self, spec: Spec) -> Words:
        height, width, _ = spec.image_shape
        return Words(
            title="A segmentation of images",
            takes=text_of_images(spec),
            gives=f"one of {len(spec.class_names)} classes to each pixel",
            inputs="images",
            predictions="masks",
            type=f"uint8 [n, {height}, {width}]",
            example=_EXAMPLE,
            facts=(("Classes", listed_classes(spec.class_names)),),
            limits=("It knows only its classes: every pixel gets one of them, whatever the image shows.",),
        )


make = Segmentation


def iou_of(confusion: Int[np.ndarray, "k k"]) -> Float[np.ndarray, " k"]:
    """Intersection over union of each class; NaN where it neither is there nor was said to be."""
    hits = np.diagonal(confusion).astype(np.float64)
    unions = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return np.where(unions > 0, hits / np.maximum(unions, 1), np.nan)


def soft_dice(logits: Float[Array, "b h w k"], masks: UInt8[Array, "b h w"]) -> Float[Array, " b"]:
    """1 less the mean over an example's classes of the soft Dice coefficient; see `Segmentation`."""
    is_known = (masks != IGNORED)[..., None]
    said = jnp.where(is_known, jax.nn.softmax(logits), 0.0)
    are = jnp.where(is_known, jax.nn.one_hot(masks, logits.shape[-1]), 0.0)
    both, total = (said * are).sum(axis=(1, 2)), (said + are).sum(axis=(1, 2))  # [b, k]
    is_there = are.sum(axis=(1, 2)) > 0
    dice = jnp.where(is_there, 2 * both / jnp.maximum(total, 1e-6), 0.0)
    return 1 - dice.sum(axis=1) / jnp.maximum(is_there.sum(axis=1), 1)


def _cross_entropy(
    logits: Float[Array, "b h w k"], masks: UInt8[Array, "b h w"], label_smoothing: float = 0.0
) -> Float[Array, " b"]:
    """The mean over the pixels of each example that are not left out, in nats."""
    is_known = masks != IGNORED
    targets = optax.smooth_labels(jax.nn.one_hot(masks, logits.shape[-1]), label_smoothing)
    losses = jnp.where(is_known, optax.softmax_cross_entropy(logits, targets), 0.0)
    return losses.sum(axis=(1, 2)) / jnp.maximum(is_known.sum(axis=(1, 2)), 1)


def _confusions(logits: Float[Array, "b h w k"], masks: UInt8[Array, "b h w"]) -> Int[Array, "b k k"]:
    """Of each example, over the pixels that are not left out."""
    num = logits.shape[-1]
    are = jax.nn.one_hot(masks, num)  # all zeros where a pixel is left out
    said = jax.nn.one_hot(jnp.argmax(logits, axis=-1), num)
    counts = jnp.einsum("bhwi,bhwj->bij", are, said, precision="highest")
    return jnp.round(counts).astype(jnp.int32)


def _confusion(mask: np.ndarray, prediction: np.ndarray, num: int) -> Int[np.ndarray, "k k"]:
    is_known = mask != IGNORED
    places = mask[is_known].astype(int) * num + prediction[is_known]
    return np.bincount(places, minlength=num * num).reshape(num, num)


def _shares(prediction: UInt8[np.ndarray, "h w"], num: int) -> Float[np.ndarray, " k"]:
    return np.bincount(prediction.ravel(), minlength=num) / prediction.size
