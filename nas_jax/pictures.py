"""Picture files as arrays of 8 bits, whatever they hold: the range of their values is known, or they are refused.

Eight bits a channel say how bright a value is. Other files do not: 4,095 in a file of 16 bits is white to a camera of
12 bits, and nearly black to one of 16. What decides is the largest value.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from nas_jax.errors import UserError, describe

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's names, by the number of channels
_BITS = (8, 10, 12, 14, 16)  # that a file of whole numbers may have used
_DARKEST = 16  # the largest value of a picture of whole numbers below which nobody can tell what its range is
_PHOTOMETRIC, _SAMPLE_FORMAT = 262, 339  # tags of TIFF
_ADVICE = "save it with 8 bits a channel, so that it is known what is white"


class Picture(NamedTuple):
    """The pixels, and a note where they could have been meant otherwise; "" where not."""

    pixels: UInt8[np.ndarray, "h w c"]
    note: str = ""


def open_picture(path: Path, image_shape: tuple[int, ...]) -> Picture:
    """A picture file as an image of this shape: turned upright, converted and resized, by which it may be stretched.

    What is transparent becomes white, unless the images have a channel for it. Of several frames the first is taken.
    Greys of more than 8 bits are taken to have the fewest of 8, 10, 12, 14 or 16 bits that hold their largest value.
    Of fractions, 1 is white if all are in [0, 1], and 255 if they reach at most that.

    Raises:
        UserError: the file is missing, no picture or damaged; its range cannot be told; or images with that many
            channels have no colours.
    """
    height, width, channels = image_shape
    if channels not in MODES:
        raise UserError(f"the network takes images of {channels} channels, and a picture file has 1, 3 or 4")
    if path.is_dir():
        raise UserError(f"{str(path)!r} is a folder; give the picture files in it")
    if not path.is_file():
        raise UserError(f"there is no file {str(path)!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a file has beside its pixels
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture, note = _read(path)
            pixels = _resized(picture, MODES[channels], (width, height))
    except _RangeError as error:
        raise UserError(f"{str(path)!r}: {error}; {_ADVICE}") from error
    except Exception as error:  # decoders of damaged files raise anything
        raise UserError(f"{str(path)!r} cannot be read as a picture: {describe(error)}") from error
    return Picture(pixels.reshape(image_shape), note and f"{path}: {note}")


class _RangeError(ValueError):
    """What is white cannot be told."""


def _read(path: Path) -> tuple[Image.Image, str]:
    """The first frame, of 8 bits a channel and upright."""
    with Image.open(path) as file:
        num_frames = getattr(file, "n_frames", 1) if file.format != "MPO" else 1  # there the others are for screens
        is_deep = any(";16" in str(tile[3]) or ";12" in str(tile[3]) for tile in file.tile)
        tags = getattr(file, "tag_v2", {}) if file.format == "TIFF" else {}
        is_inverted = tags.get(_PHOTOMETRIC) == 0  # white is zero
        is_signed = 2 in (tags.get(_SAMPLE_FORMAT) or ())
        picture: Image.Image = ImageOps.exif_transpose(file)
        picture.load()
    notes = [f"the first of {num_frames} frames"] if num_frames > 1 else []
    if picture.mode[0] in "IF" or (picture.mode == "L" and is_signed):
        values = np.asarray(picture)
        picture, note = _greys(
            values.view(np.int8) if picture.mode == "L" else values, picture.info.get("transparency")
        )
        if is_inverted:
            picture = ImageOps.invert(picture)
        notes += [note] if note else []
    elif is_deep:
        _check_deep_colors(picture)
        if isinstance(clear := picture.info.get("transparency"), tuple):
            picture.info["transparency"] = tuple(value >> 8 for value in clear)  # as the colours are
    return picture, "; ".join(notes)


def _greys(values: np.ndarray, clear: int | None) -> tuple[Image.Image, str]:
    """Greys of any type as a picture of 8 bits, with a note. Pixels of the value `clear` are transparent.

    Raises:
        _RangeError: it cannot be told what is white.
    """
    is_clear = np.full(values.shape, False) if clear is None else values == clear
    if is_clear.all():
        return Image.new("LA", values.shape[::-1]), ""
    pixels, note = _eight_bits(np.where(is_clear, values[~is_clear].min(), values))
    if not is_clear.any():
        return Image.fromarray(pixels), note
    return Image.merge(
        "LA", (Image.fromarray(pixels), Image.fromarray(np.where(is_clear, 0, 255).astype(np.uint8)))
    ), note


def _resized(picture: Image.Image, mode: str, size: tuple[int, int]) -> UInt8[np.ndarray, "h w *c"]:
    if picture.has_transparency_data and mode != "RGBA":
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.asarray(picture.convert(mode).resize(size, Image.Resampling.BILINEAR))


def _eight_bits(values: np.ndarray) -> tuple[UInt8[np.ndarray, "h w"], str]:
    """Greys `[h, w]` of any type with white at 255, and a note where that was no matter of the type.

    Raises:
        _RangeError: it cannot be told what is white.
    """
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise _RangeError("it has values that are not finite")
    low, high = float(values.min()), float(values.max())
    if low < 0:
        raise _RangeError(f"its values begin at {low:g}, below black")
    is_whole = bool((values == np.round(values)).all())
    white, note = _white_of_whole(high) if is_whole and high > 1 else _white_of_fractions(high)
    return np.round(values * (255 / white)).astype(np.uint8), note


def _white_of_whole(high: float) -> tuple[float, str]:
    if high < _DARKEST:
        raise _RangeError(f"its largest value is {high:g}, which could be any brightness")
    bits = next((bits for bits in _BITS if high < 2**bits), None)
    if bits is None:
        raise _RangeError(f"its largest value is {high:g}, more than 16 bits hold")
    return 2.0**bits - 1, "" if bits == 16 else f"its largest value is {high:g}, so it is taken to have {bits} bits"


def _white_of_fractions(high: float) -> tuple[float, str]:
    if high <= 1:
        return 1.0, ""
    if _DARKEST <= high <= 255:
        return 255.0, f"its largest value is {high:g}, so 255 is taken to be white"
    raise _RangeError(f"its values are neither in [0, 1] nor in 0..255: the largest is {high:g}")


def _check_deep_colors(picture: Image.Image) -> None:
    """Of colours of 16 bits Pillow gives the upper 8: these are all there is only if the range is used.

    Where they are black, the lower 8 may hold a whole picture.

    Raises:
        _RangeError: a quarter of it would do.
    """
    extrema = picture.getextrema()
    bands = extrema if isinstance(extrema[0], tuple) else (extrema,)
    colors = bands[:-1] if "A" in picture.getbands() else bands
    high = max(int(band[1]) for band in colors if isinstance(band, tuple))
    if high < 64:
        raise _RangeError(f"its colours have 16 bits, and reach {100 * high / 255:.0f} % of their range")
