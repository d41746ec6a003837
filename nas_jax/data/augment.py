"""What happens to a batch of images on the device: moved, mirrored and covered at random, and made floats."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8, UInt32

from nas_jax.data.arrays import Augmentation

_GREY = 128  # what covers a square of an image: near the mean of most photographs, so near zero once normalised


class Moves(NamedTuple):
    """How each image of a batch is moved: the corner of its crop of the padded image, and how it is mirrored.

    With a cutout, the place of its centre is random bits: their remainders by height and width are row and column.
    """

    top: Int32[jax.Array, "b 1"]
    left: Int32[jax.Array, "b 1"]
    is_flipped: Bool[jax.Array, "b 1"]
    centre_row: UInt32[jax.Array, "b 1"] | None = None
    centre_column: UInt32[jax.Array, "b 1"] | None = None
    is_upside_down: Bool[jax.Array, "b 1"] | None = None


def draw_moves(key: jax.Array, num_images: int, augmentation: Augmentation) -> Moves:
    """Draws a move for each image on its own. `augmentation` is static under `jax.jit`.

    All are remainders of one draw of bits: each further draw is code to compile for each network. An offset's
    probability is wrong by less than 1e-8.
    """
    bits = jax.random.bits(key, (5 if augmentation.cutout else 3, num_images, 1), jnp.uint32)
    top, left = (bits[:2] % (2 * augmentation.pad + 1)).astype(jnp.int32)
    moves = Moves(top, left, (bits[2] % 2 == 1) & augmentation.flip, *bits[3:])
    return moves._replace(is_upside_down=bits[2] % 4 >= 2) if augmentation.flip_vertically else moves


def move(
    images: UInt8[jax.Array | np.ndarray, "b h w c"], moves: Moves, pad: int, fill: int = 0
) -> UInt8[jax.Array, "b h w c"]:
    """Images padded with `pad` pixels of the value `fill` on each side, then cropped and mirrored as `moves` says."""
    # One gather by row and column does it all: mirroring is counting the columns down.
    b, h, w, _ = images.shape
    top, left, is_flipped = moves[:3]
    x, y = jnp.arange(w)[None], jnp.arange(h)[None]
    rows = top + (y if moves.is_upside_down is None else jnp.where(moves.is_upside_down, h - 1 - y, y))  # [b, h]
    columns = left + jnp.where(is_flipped, w - 1 - x, x)  # [b, w]
    padded = jnp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=fill)
    return padded[jnp.arange(b)[:, None, None], rows[:, :, None], columns[:, None, :]]


def cut_out(images: UInt8[jax.Array | np.ndarray, "b h w c"], moves: Moves, side: int) -> UInt8[jax.Array, "b h w c"]:
    """Images of which a square is grey (DeVries & Taylor 2017); what of it lies outside of an image is left out."""
    _, h, w, _ = images.shape
    rows, columns = _covered(moves.centre_row, h, side), _covered(moves.centre_column, w, side)  # [b, h], [b, w]
    return jnp.where(rows[:, :, None, None] & columns[:, None, :, None], jnp.uint8(_GREY), images)


def _covered(bits: UInt32[jax.Array, "b 1"] | None, length: int, side: int) -> Bool[jax.Array, "b length"]:
    """Which places of a length are in an interval of `side` places around a random one."""
    assert bits is not None, "the moves were drawn without a cutout"
    start = (bits % length).astype(jnp.int32) - side // 2
    places = jnp.arange(length)[None]
    return (start <= places) & (places < start + side)


def normalize(
    images: UInt8[jax.Array | np.ndarray, "b h w c"],
    mean: Sequence[float],
    std: Sequence[float],
    dtype: Any = jnp.float32,
) -> Float[jax.Array, "b h w c"]:
    """Pixels 0..255 to zero mean and unit deviation. `mean` and `std`, one a channel, are of pixels in [0, 1]."""
    scale = 1 / (255 * np.asarray(std, np.float32).reshape(1, 1, 1, -1))
    shift = np.asarray(mean, np.float32).reshape(1, 1, 1, -1) * 255
    return ((jnp.asarray(images, jnp.float32) - shift) * scale).astype(dtype)
