"""Average precision of detections, as the COCO evaluation counts it (Lin et al., "Microsoft COCO", 2014; cocoeval.py).

A detection is right if its overlap with a box of its class that no better detection has taken is large enough.
Precision over recall, made not to rise, is averaged over 101 recalls, 0, .01, … 1.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from nas_jax.tasks.boxes import pairwise_iou

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of the overlap
_RECALLS = np.linspace(0, 1, 101)
_ROUNDING = 1e-10


class Detections(NamedTuple):
    """Of n images, k each. Padding has the label -1."""

    boxes: Float[np.ndarray, "n k 4"]
    scores: Float[np.ndarray, "n k"]
    labels: Int[np.ndarray, "n k"]


class Truth(NamedTuple):
    """Of n images, m each. Padding has the label -1."""

    boxes: Float[np.ndarray, "n m 4"]
    labels: Int[np.ndarray, "n m"]


def average_precisions(
    found: Detections, truth: Truth, num_classes: int, thresholds: Float[np.ndarray, " t"] = THRESHOLDS
) -> Float[np.ndarray, "t c"]:
    """For each threshold and class; NaN of a class that no image has.

    Of boxes with equal scores those of earlier images rank first, and within an image those that come first.
    """
    result = np.full((len(thresholds), num_classes), np.nan)
    for label in range(num_classes):
        is_there = truth.labels == label
        num = int(is_there.sum())
        if num:
            scores, hits = _matched(found, truth, label, thresholds)
            order = np.argsort(-scores, kind="stable")
            result[:, label] = [_area(each[order], num) for each in hits]
    return result


def _matched(
    found: Detections, truth: Truth, label: int, thresholds: np.ndarray
) -> tuple[Float[np.ndarray, " d"], Bool[np.ndarray, "t d"]]:
    """The scores of all detections of a class, and which of them are right."""
    scores, hits = [np.zeros(0)], [np.zeros((len(thresholds), 0), bool)]
    for boxes, own_scores, labels, true_boxes, true_labels in zip(*found, *truth, strict=True):
        chosen = np.flatnonzero(labels == label)
        chosen = chosen[np.argsort(-own_scores[chosen], kind="stable")]
        overlaps = pairwise_iou(boxes[chosen], true_boxes[true_labels == label])
        scores.append(own_scores[chosen])
        hits.append(
            np.array([match(overlaps, threshold) >= 0 for threshold in thresholds]).reshape(len(thresholds), -1)
        )
    return np.concatenate(scores), np.concatenate(hits, axis=1)


def match(overlaps: Float[np.ndarray, "k m"], threshold: float) -> Int[np.ndarray, " k"]:
    """For each detection of an image, the best first, the box that it takes: of those left, that with most overlap.

    Of equal ones the last; -1 where none overlaps enough.
    """
    num_boxes = overlaps.shape[1]
    taken = np.full(len(overlaps), -1)
    is_free = np.ones(num_boxes, bool)
    for row, each in enumerate(overlaps):
        left = np.where(is_free, each, -1.0)
        best = num_boxes - 1 - int(np.argmax(left[::-1])) if num_boxes else -1
        if best >= 0 and left[best] >= min(threshold, 1 - _ROUNDING):
            taken[row] = best
            is_free[best] = False
    return taken


def _area(is_hit: Bool[np.ndarray, " d"], num_boxes: int) -> float:
    """Under precision over recall, of detections from the best on."""
    num_hits = np.cumsum(is_hit)
    precision = num_hits / np.arange(1, len(is_hit) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]  # the best at this recall or a larger one
    places = np.searchsorted(num_hits / num_boxes, _RECALLS, side="left")
    return float(np.append(precision, 0.0)[places].mean())
