"""Boxes against counted pixels and brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.data.arrays import Augmentation
from nas_jax.tasks.boxes import giou, iou, pairwise_iou, suppress
from nas_jax.tasks.detection import Detection

SIDE = 12


def random_boxes(rng, num):
    """With corners on whole pixels, and of at least one pixel."""
    first, second = rng.integers(0, SIDE, (2, num, 2))
    return np.concatenate([np.minimum(first, second), np.maximum(first, second) + 1], axis=1).astype(np.float32)


def pixels(box):
    filled = np.zeros((SIDE, SIDE), bool)
    top, left, bottom, right = box.astype(int)
    filled[top:bottom, left:right] = True
    return filled


def test_overlaps_are_counted_pixels():
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 60), random_boxes(rng, 60)
    pairs = jnp.asarray(first), jnp.asarray(second)
    for one, other, found, general in zip(first, second, iou(*pairs), giou(*pairs), strict=True):
        both, either = pixels(one) & pixels(other), pixels(one) | pixels(other)
        hull = pixels(np.concatenate([np.minimum(one, other)[:2], np.maximum(one, other)[2:]]))
        expected = both.sum() / either.sum()
        assert found == pytest.approx(expected, abs=1e-6)
        assert general == pytest.approx(expected - (hull.sum() - either.sum()) / hull.sum(), abs=1e-6)
    np.testing.assert_allclose(np.diag(pairwise_iou(first, second)), iou(*pairs), atol=1e-6)


def test_boxes_far_apart_have_a_gradient():
    """Of the plain overlap there is none; of the general one there is, and it moves them together."""
    far, near = jnp.array([[0.0, 0.0, 1.0, 1.0]]), jnp.array([[0.0, 5.0, 1.0, 6.0]])
    assert (jax.jit(jax.grad(lambda box: iou(box, near).sum()))(far) == 0).all()
    gradient = jax.jit(jax.grad(lambda box: giou(box, near).sum()))(far)
    assert gradient[0, 3] > 0
    assert float(giou(far, near)[0]) == pytest.approx(-4 / 6)


def kept(boxes, scores, labels, max_overlap):
    """By the definition: the best box that is left stays, and what overlaps it goes."""
    left, stays = set(range(len(boxes))), []
    while left:
        best = max(left, key=lambda place: (scores[place], -place))
        stays.append(best)
        overlaps = pairwise_iou(boxes[[best]], boxes)[0]
        left -= {place for place in left if labels[place] == labels[best] and overlaps[place] > max_overlap} | {best}
    return sorted(stays)


@pytest.mark.parametrize("max_overlap", [0.1, 0.5])
def test_suppression_by_its_definition(max_overlap):
    rng = np.random.default_rng(1)
    program = jax.jit(suppress, static_argnums=3)
    for _ in range(20):
        boxes, scores, labels = random_boxes(rng, 30), rng.integers(0, 9, 30) / 10, rng.integers(0, 2, 30)
        scores = scores.astype(np.float32)
        found = np.flatnonzero(program(*map(jnp.asarray, (boxes, scores, labels)), max_overlap)).tolist()
        assert found == kept(boxes, scores, labels, max_overlap)


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(),
        Augmentation(3),
        Augmentation(2, True),
        Augmentation(4, True),
        Augmentation(2, True, flip_vertically=True),
    ],
)
def test_a_box_is_where_its_rectangle_has_moved(augmentation):
    """Each image has one white rectangle: the smallest box around what is left of it, or padding."""
    rng, num, height, width = np.random.default_rng(0), 200, 14, 10
    images = np.zeros((num, height, width, 1), np.uint8)
    boxes, labels = np.zeros((num, 2, 4), np.float32), np.full((num, 2), -1, np.int32)
    sizes = np.array([height, width] * 2)
    for place in range(num):
        corners = np.sort(rng.choice(height + 1, 2, replace=False)), np.sort(rng.choice(width + 1, 2, replace=False))
        (top, bottom), (left, right) = corners
        images[place, top:bottom, left:right] = 255
        slot = place % 2
        boxes[place, slot], labels[place, slot] = np.array([top, left, bottom, right]) / sizes, 3
    task = Detection()
    batch = {"image": jnp.asarray(images), "boxes": jnp.asarray(boxes), "labels": jnp.asarray(labels)}
    draws = task.draw(jax.random.key(0), num, augmentation)
    moved = jax.device_get(jax.jit(lambda *of_batch: task.augment(*of_batch, augmentation))(batch, draws))
    num_lost = 0
    for place in range(num):
        rows, columns = np.nonzero(moved["image"][place, :, :, 0] == 255)
        slot = place % 2
        area = np.prod(boxes[place, slot, 2:] - boxes[place, slot, :2]) * height * width
        if len(rows) < 0.25 * area - 1e-6:
            num_lost += 1
            assert (moved["labels"][place] == -1).all()
            assert (moved["boxes"][place] == 0).all()
        elif len(rows) > 0.25 * area + 1e-6:
            corners = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
            np.testing.assert_allclose(moved["boxes"][place, slot] * sizes, corners, atol=1e-4)
            assert moved["labels"][place, slot] == 3
        assert moved["labels"][place, 1 - slot] == -1
    assert (num_lost > 0) == (augmentation.pad > 0)
