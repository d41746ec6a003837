"""Average precision against the definition, and against COCO's own evaluation where that is installed."""

import contextlib
import io

import numpy as np
import pytest

from nas_jax.tasks.average_precision import THRESHOLDS, Detections, Truth, average_precisions
from nas_jax.tasks.boxes import pairwise_iou

NUM_CLASSES, NUM_IMAGES, NUM_FOUND, NUM_TRUE = 4, 12, 15, 6


def random_case(seed):
    """Detections near the boxes that are there, some wrong, with scores of which many are equal."""
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 0.6, (NUM_IMAGES, NUM_TRUE, 2)), rng.uniform(0.1, 0.4, (NUM_IMAGES, NUM_TRUE, 2))
    true_boxes = np.concatenate([corner, corner + size], axis=-1).astype(np.float32)
    true_labels = rng.integers(-1, NUM_CLASSES - 1, (NUM_IMAGES, NUM_TRUE)).astype(np.int32)  # the last one is nowhere
    source = rng.integers(0, NUM_TRUE, (NUM_IMAGES, NUM_FOUND))
    near = np.take_along_axis(true_boxes, source[..., None], axis=1)
    boxes = np.sort((near + rng.normal(0, 0.03, near.shape)).reshape(*near.shape[:2], 2, 2), axis=2)
    labels = np.take_along_axis(true_labels, source, axis=1)
    labels = np.where(rng.random(labels.shape) < 0.2, rng.integers(-1, NUM_CLASSES, labels.shape), labels)
    scores = np.round(rng.random(labels.shape), 1)
    found = Detections(boxes.reshape(near.shape).astype(np.float32), scores.astype(np.float32), labels.astype(np.int32))
    return found, Truth(true_boxes, true_labels)


def by_definition(found, truth, label, threshold):
    """Detection by detection over all images, from the best score on; then precision at each recall, in a loop."""
    rows = [
        (-found.scores[image, k], image, k)
        for image in range(NUM_IMAGES)
        for k in range(NUM_FOUND)
        if found.labels[image, k] == label
    ]
    free = {(image, m) for image in range(NUM_IMAGES) for m in range(NUM_TRUE) if truth.labels[image, m] == label}
    num, hits, points = len(free), 0, []
    if not num:
        return np.nan
    for place, (_, image, k) in enumerate(sorted(rows), start=1):
        overlaps = pairwise_iou(found.boxes[image, [k]], truth.boxes[image])[0]
        candidates = [(overlaps[m], m) for other, m in free if other == image and overlaps[m] >= threshold]
        if candidates:
            free.remove((image, max(candidates)[1]))
            hits += 1
        points.append((hits / num, hits / place))
    return np.mean([max((p for r, p in points if r >= recall), default=0.0) for recall in np.linspace(0, 1, 101)])


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_its_definition_says(seed):
    found, truth = random_case(seed)
    precisions = average_precisions(found, truth, NUM_CLASSES)
    for place in (0, 4, 9):
        expected = [by_definition(found, truth, label, THRESHOLDS[place]) for label in range(NUM_CLASSES)]
        np.testing.assert_allclose(precisions[place], expected, atol=1e-9)
    assert 0.1 < np.nanmean(precisions) < 0.9


def coco_precisions(found, truth):
    """[thresholds, classes] by pycocotools."""
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")

    def corners(box):
        top, left, bottom, right = np.asarray(box, np.float64) * 1000
        return [left, top, right - left, bottom - top]

    annotations = [
        {"image_id": image, "category_id": int(label), "bbox": corners(box), "area": 1.0, "iscrowd": 0}
        for image in range(NUM_IMAGES)
        for box, label in zip(truth.boxes[image], truth.labels[image], strict=True)
        if label >= 0
    ]
    detections = [
        {"image_id": image, "category_id": int(label), "bbox": corners(box), "score": float(score)}
        for image in range(NUM_IMAGES)
        for box, score, label in zip(found.boxes[image], found.scores[image], found.labels[image], strict=True)
        if label >= 0
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        data = coco.COCO()
        data.dataset = {
            "images": [{"id": image} for image in range(NUM_IMAGES)],
            "categories": [{"id": label} for label in range(NUM_CLASSES)],
            "annotations": [{**annotation, "id": place} for place, annotation in enumerate(annotations, start=1)],
        }
        data.createIndex()
        evaluation = cocoeval.COCOeval(data, data.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1].mean(axis=1)  # [t, classes], -1 where there is none
    return np.where(precision < 0, np.nan, precision)


@pytest.mark.parametrize("seed", range(8))
def test_it_equals_the_evaluation_of_coco(seed):
    found, truth = random_case(seed)
    expected = coco_precisions(found, truth)
    np.testing.assert_allclose(average_precisions(found, truth, NUM_CLASSES), expected, atol=1e-6)


def test_perfect_detections_have_one_and_none_have_zero():
    _, truth = random_case(0)
    scores = np.ones(truth.labels.shape, np.float32)
    perfect = average_precisions(Detections(truth.boxes, scores, truth.labels), truth, NUM_CLASSES)
    np.testing.assert_array_equal(perfect[:, :-1], 1)
    assert np.isnan(perfect[:, -1]).all()
    nothing = Detections(truth.boxes, scores, np.full_like(truth.labels, -1))
    np.testing.assert_array_equal(average_precisions(nothing, truth, NUM_CLASSES)[:, :-1], 0)
