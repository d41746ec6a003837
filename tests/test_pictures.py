"""Pictures of all kinds: right to a grey level against the picture that was written, or refused."""

import io

import numpy as np
import pytest
from PIL import Image

from nas_jax.errors import UserError
from nas_jax.pictures import open_picture

SHAPE = (8, 6, 1)
RAMP = np.linspace(0, 1, 48).reshape(8, 6)  # from black to white


def written(tmp_path, image, name, **options):
    image.save(tmp_path / name, **options)
    return open_picture(tmp_path / name, SHAPE)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_whole_numbers_have_the_fewest_bits_that_hold_them(tmp_path, bits, name):
    values = np.round(RAMP * (2**bits - 1)).astype(np.uint16)
    pixels, note = written(tmp_path, Image.fromarray(values), name)
    np.testing.assert_allclose(pixels[..., 0], 255 * RAMP, atol=1)
    assert (f"{bits} bits" in note) == (bits != 16)


@pytest.mark.parametrize(("white", "bits"), [(255, 8), (4095, 12), (65535, 16)])
def test_integers_of_32_bits_have_a_range_by_their_content(tmp_path, white, bits):
    pixels, _ = written(tmp_path, Image.fromarray(np.round(RAMP * white).astype(np.int32)), "long.tif")
    np.testing.assert_allclose(pixels[..., 0], 255 * RAMP, atol=1)


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_fractions_are_of_one_or_of_255(tmp_path, white):
    pixels, _ = written(tmp_path, Image.fromarray((RAMP * white).astype(np.float32)), "float.tif")
    np.testing.assert_allclose(pixels[..., 0], 255 * RAMP, atol=1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (RAMP * 3, "neither in .0, 1. nor in 0..255: the largest is 3"),
        (RAMP * 70000.5, "the largest is 70000.5"),
        (RAMP - 0.5, "begin at -0.5, below black"),
        (np.where(RAMP > 0.5, np.nan, RAMP), "not finite"),
        (np.round(RAMP * 3), "largest value is 3, which could be any brightness"),
        (np.round(RAMP * 1e6), "more than 16 bits hold"),
    ],
)
def test_a_range_that_cannot_be_told_is_refused(tmp_path, values, message):
    with pytest.raises(UserError, match=f"{message}.*save it with 8 bits"):
        written(tmp_path, Image.fromarray(values.astype(np.float32)), "float.tif")


def png_of_16_bit_colors(values):
    """Pillow writes none: the file by hand, without filters (PNG specification, sections 5 and 11)."""
    import struct
    import zlib

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colors_of_16_bits_are_right_or_refused(tmp_path):
    path = tmp_path / "deep.png"
    colors = np.round(np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=-1) * 65535)
    path.write_bytes(png_of_16_bit_colors(colors))
    np.testing.assert_allclose(open_picture(path, (8, 6, 3)).pixels, colors / 257, atol=1)
    path.write_bytes(png_of_16_bit_colors(np.floor(colors / 16)))  # as a camera of 12 bits has them
    with pytest.raises(UserError, match="colours have 16 bits, and reach 6 % of their range"):
        open_picture(path, (8, 6, 3))


@pytest.mark.parametrize("mode", ["1", "P", "LA", "PA", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_a_white_and_a_black_half_stay_so_in_every_mode(tmp_path, mode):
    halves = Image.fromarray(np.repeat([[0] * 6, [255] * 6], 4, axis=0).astype(np.uint8))
    name = {"CMYK": "a.tif", "YCbCr": "a.tif", "HSV": "a.tif", "PA": "a.tif"}.get(mode, "a.png")
    image = halves.convert("RGB").convert(mode)
    if mode in ("HSV", "PA"):  # no file holds them
        image = image.convert("RGBA" if mode == "PA" else "RGB")
    pixels, note = written(tmp_path, image, name)
    np.testing.assert_allclose(pixels[:4, :, 0], 0, atol=3)
    np.testing.assert_allclose(pixels[4:, :, 0], 255, atol=3)
    assert note == ""


def test_of_several_frames_the_first_is_taken_and_said_so(tmp_path):
    first, second = (Image.new("L", (6, 8), grey) for grey in (200, 40))
    pixels, note = written(tmp_path, first, "moving.gif", save_all=True, append_images=[second])
    np.testing.assert_allclose(pixels, 200, atol=3)
    assert "first of 2 frames" in note


def test_what_is_no_whole_picture_is_refused(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(buffer, "JPEG")
    whole = buffer.getvalue()
    for name, content in (
        ("nothing.png", b""),
        ("cut.jpg", whole[: len(whole) // 2]),
        ("text.png", b"hello"),
        ("zero.png", b"\0" * 100),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name}.*cannot be read as a picture"):
            open_picture(tmp_path / name, SHAPE)
    with pytest.raises(UserError, match="is a folder; give the picture files in it"):
        open_picture(tmp_path, SHAPE)
