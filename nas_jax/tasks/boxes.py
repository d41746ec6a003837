"""Boxes: ymin, xmin, ymax, xmax, in shares of an image's height and width or in any other unit."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


def areas(boxes: Float[Array, "*n 4"]) -> Float[Array, "*n"]:
    """Of boxes; 0 where a side is negative."""
    sides = jnp.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return sides[..., 0] * sides[..., 1]


def iou(first: Float[Array, "*#n 4"], second: Float[Array, "*#n 4"]) -> Float[Array, "..."]:
    """Intersection over union, pair by pair; 0 of two boxes without area. Shapes broadcast."""
    both = _intersections(first, second)
    return both / jnp.maximum(areas(first) + areas(second) - both, 1e-9)


def giou(first: Float[Array, "*#n 4"], second: Float[Array, "*#n 4"]) -> Float[Array, "..."]:
    """Generalized IoU (Rezatofighi et al. 2019, algorithm 1): from -1 of boxes far apart to 1 of equal ones."""
    both = _intersections(first, second)
    union = jnp.maximum(areas(first) + areas(second) - both, 1e-9)
    corners = jnp.minimum(first[..., :2], second[..., :2]), jnp.maximum(first[..., 2:], second[..., 2:])
    hull = jnp.maximum(areas(jnp.concatenate(corners, axis=-1)), 1e-9)
    return both / union - (hull - union) / hull


def _intersections(first: jax.Array, second: jax.Array) -> jax.Array:
    corners = jnp.maximum(first[..., :2], second[..., :2]), jnp.minimum(first[..., 2:], second[..., 2:])
    return areas(jnp.concatenate(corners, axis=-1))


def suppress(
    boxes: Float[Array, "n 4"], scores: Float[Array, " n"], labels: Int[Array, " n"], max_overlap: float
) -> Bool[Array, " n"]:
    """Which boxes stay: none that overlaps a better one of its class that stays by more than `max_overlap` in IoU.

    Greedy, in the order of the scores; of equal ones the first is the better one.
    """
    num = len(scores)
    order = jnp.argsort(-scores, stable=True)
    ordered = boxes[order]
    overlaps = iou(ordered[:, None], ordered[None, :]) > max_overlap  # [n, n]
    is_rival = overlaps & (labels[order][:, None] == labels[order][None, :])

    def decide(place: jax.Array, stays: jax.Array) -> jax.Array:
        beaten = (is_rival[place] & stays & (jnp.arange(num) < place)).any()
        return stays.at[place].set(~beaten)

    stays = jax.lax.fori_loop(0, num, decide, jnp.ones(num, bool))
    return jnp.zeros(num, bool).at[order].set(stays)


def pairwise_iou(first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """On the host, in double precision."""
    one, other = first[:, None].astype(np.float64), second[None].astype(np.float64)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    both = np.prod(np.maximum(sides, 0), axis=-1)
    union = np.prod(one[..., 2:] - one[..., :2], axis=-1) + np.prod(other[..., 2:] - other[..., :2], axis=-1) - both
    return both / np.maximum(union, 1e-12)
