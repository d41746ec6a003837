"""Detection without anchors: each place of a map says which object is there, and how far its edges are.

Fully convolutional one-stage detection (Tian et al., "FCOS", 2019), without centerness, with centre sampling, and with
the level of a box chosen by its size. A network gives some maps, fine to coarse, `[b, h, w, classes + 4]`. Each covers
the image: place i of h is at (i + 1/2) / h of its height. The last four numbers are logarithms of the distances to the
upper, left, lower and right edge of the box, in units of two places.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from nas_jax.tasks.boxes import areas, giou, iou

_UNIT = 2.0  # places
_LARGEST_LOG = 5.0
_RADIUS = 1.5  # places from a box's centre at which it is learned
_LARGEST_HALF = 4.0  # places of half the longer side of a box on a level; larger ones are on a coarser level
_ALPHA, _GAMMA = 0.25, 2.0  # Lin et al., "Focal Loss", 2017, section 5.1


class Places(NamedTuple):
    """Of all maps, one after the other."""

    centres: Float[np.ndarray, "p 2"]  # y, x in shares
    sides: Float[np.ndarray, "p 2"]  # of a place
    levels: Int[np.ndarray, " p"]


class Targets(NamedTuple):
    """What the places of an image should say."""

    labels: Int[Array, " p"]  # -1 where there is no object
    boxes: Float[Array, "p 4"]


def places_of(maps: Sequence[Float[Array, "b _ _ _"]]) -> Places:
    centres, sides, levels = [], [], []
    for level, each in enumerate(maps):
        height, width = each.shape[1:3]
        y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
        centres.append(np.stack([y.ravel(), x.ravel()], axis=1))
        sides.append(np.tile([1 / height, 1 / width], (height * width, 1)))
        levels.append(np.full(height * width, level))
    return Places(*(np.concatenate(parts) for parts in (centres, sides, levels)))


def flat(maps: Sequence[Float[Array, "b _ _ c"]]) -> Float[Array, "b p c"]:
    """The maps place by place."""
    return jnp.concatenate([each.reshape(each.shape[0], -1, each.shape[-1]) for each in maps], axis=1)


def decode(raw: Float[Array, "b p 4"], places: Places) -> Float[Array, "b p 4"]:
    """Boxes in shares; they may reach beyond the image."""
    centres, sides = (np.tile(part, 2)[None].astype(np.float32) for part in (places.centres, places.sides))
    signs = np.array([-1, -1, 1, 1], np.float32)
    return jnp.asarray(centres) + signs * sides * _UNIT * jnp.exp(jnp.clip(raw, -_LARGEST_LOG, _LARGEST_LOG))


def targets_of(boxes: Float[Array, "m 4"], labels: Int[Array, " m"], places: Places) -> Targets:
    """Of an image. Of several boxes that a place could learn it learns the smallest."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    offsets = jnp.abs(places.centres[:, None] - centres[None]) / places.sides[:, None]  # [p, m, 2], in places
    is_near = (offsets <= _RADIUS).all(axis=-1)
    is_inside = (places.centres[:, None] > boxes[None, :, :2]).all(-1) & (
        places.centres[:, None] < boxes[None, :, 2:]
    ).all(-1)
    is_own = (offsets <= 0.5).all(axis=-1)  # so that the smallest box has a place
    can_learn = (
        (labels >= 0)[None] & is_near & (is_inside | is_own) & (_levels(boxes, places)[None] == places.levels[:, None])
    )
    sizes = jnp.where(can_learn, areas(boxes)[None], jnp.inf)
    chosen = jnp.argmin(sizes, axis=1)
    return Targets(jnp.where(can_learn.any(axis=1), labels[chosen], -1), boxes[chosen])


def _levels(boxes: Float[Array, "m 4"], places: Places) -> Int[Array, " m"]:
    """The level of each box: the finest one on which half its longer side is no more than some places."""
    num_levels = int(places.levels.max()) + 1
    sides = np.stack([places.sides[places.levels == level][0] for level in range(num_levels)])  # [l, 2]
    halves = ((boxes[:, 2:] - boxes[:, :2])[:, None] / (2 * sides[None])).max(axis=-1)  # [m, l]
    return (halves[:, :-1] > _LARGEST_HALF).sum(axis=1)


def losses_of(
    outputs: Float[Array, "p c"], boxes: Float[Array, "p 4"], targets: Targets
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Of an image: the focal loss of all classes at all places, a share of an object; and the mean of 1 - GIoU.

    Args:
        outputs: logits of the classes.
        boxes: what the places say, decoded.
    """
    is_object = targets.labels >= 0
    num = jnp.maximum(is_object.sum(), 1)
    truth = jax.nn.one_hot(targets.labels, outputs.shape[-1])  # all zeros where there is none
    overlap = jnp.where(is_object, 1 - giou(boxes, targets.boxes), 0.0)
    return focal(outputs, truth).sum() / num, overlap.sum() / num


def focal(logits: Float[Array, "*n"], truth: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Lin et al. 2017, eq. 5."""
    probability = jax.nn.sigmoid(logits)
    log_loss = -(truth * jax.nn.log_sigmoid(logits) + (1 - truth) * jax.nn.log_sigmoid(-logits))
    wrong = truth * (1 - probability) + (1 - truth) * probability
    return (truth * _ALPHA + (1 - truth) * (1 - _ALPHA)) * wrong**_GAMMA * log_loss


def is_hit(
    boxes: Float[Array, "k 4"], labels: Int[Array, " k"], true_boxes: Float[Array, "m 4"], true_labels: Int[Array, " m"]
) -> Bool[Array, " k"]:
    """Which detections of an image, the best first, take a box of their class with an overlap of a half or more."""
    overlaps = iou(boxes[:, None], true_boxes[None])
    fits = (labels[:, None] == true_labels[None]) & (true_labels >= 0)[None] & (overlaps >= 0.5)

    def step(is_free: jax.Array, row: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        can_take = row[0] & is_free
        best = jnp.argmax(jnp.where(can_take, row[1], -1.0))
        is_taking = can_take.any()
        return is_free.at[best].set(is_free[best] & ~is_taking), is_taking

    _, hits = jax.lax.scan(step, jnp.ones(len(true_labels), bool), (fits, overlaps))
    return hits
