"""Pictures of predictions, for people: enlarged images with colours laid over them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

_SIDE = 192  # pixels that the longer side of a picture has at least
_GAP = 6

# Of classes, told apart by people who see few colours as well (Okabe & Ito, "Color Universal Design", 2008).
COLORS: tuple[tuple[int, int, int], ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


def factor_of(image: UInt8[np.ndarray, "h w c"]) -> int:
    """By how much an image is enlarged to be seen."""
    return max(1, -(-_SIDE // max(image.shape[:2])))


def enlarged(image: UInt8[np.ndarray, "h w c"], factor: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """In colours; of two channels the first is shown, of four or more the first three."""
    colors = image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1)
    return colors.repeat(factor, axis=0).repeat(factor, axis=1)


def overlaid(
    picture: UInt8[np.ndarray, "h w 3"], classes: UInt8[np.ndarray, "h w"], opacity: float = 0.5
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture with a colour over each pixel of a class from 1 on; class 0, and 255, stay as they are."""
    colors = np.array(COLORS)[(classes.astype(int) - 1) % len(COLORS)]
    mixed = np.round((1 - opacity) * picture + opacity * colors).astype(np.uint8)
    is_shown = (classes > 0) & (classes < 255)
    return np.where(is_shown[..., None], mixed, picture)


def side_by_side(pictures: Sequence[UInt8[np.ndarray, "h _ 3"]]) -> UInt8[np.ndarray, "h _ 3"]:
    """Of one height, with white between them."""
    gap = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=1)
