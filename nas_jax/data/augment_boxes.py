"""Boxes move with their images, on the device."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int32

from nas_jax.data.augment import Moves

_LEAST_VISIBLE = 0.25  # of a box's area; what less is left of is no object any more


def move_boxes(
    boxes: Float[jax.Array, "b m 4"],
    labels: Int32[jax.Array, "b m"],
    moves: Moves,
    pad: int,
    size: tuple[int, int],
) -> tuple[Float[jax.Array, "b m 4"], Int32[jax.Array, "b m"]]:
    """Boxes in shares of images of a height and width, as `augment.move` moves these; what lies outside is cut off.

    A box of which less than a quarter is left becomes padding: zeros, with the label -1.
    """
    height, width = size
    top, left, is_flipped = moves[:3]
    y = boxes[..., 0::2] + ((pad - top) / height)[..., None]
    x = boxes[..., 1::2] + ((pad - left) / width)[..., None]
    x = jnp.where(is_flipped[..., None], 1 - x[..., ::-1], x)
    if moves.is_upside_down is not None:
        y = jnp.where(moves.is_upside_down[..., None], 1 - y[..., ::-1], y)
    moved = jnp.stack([y[..., 0], x[..., 0], y[..., 1], x[..., 1]], axis=-1)
    cut = jnp.clip(moved, 0, 1)
    is_left = (labels >= 0) & (_areas(cut) >= _LEAST_VISIBLE * _areas(boxes)) & (_areas(cut) > 0)
    return jnp.where(is_left[..., None], cut, 0), jnp.where(is_left, labels, -1)


def _areas(boxes: jax.Array) -> jax.Array:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
