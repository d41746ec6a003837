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


def png_of_16_bit_colors(values, clear=None):
    """Pillow writes none: the file by hand, without filters (PNG specification, sections 5 and 11)."""
    import struct
    import zlib

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    transparency = b"" if clear is None else chunk(b"tRNS", struct.pack(">HHH", *clear))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + transparency
    return start + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colors_of_16_bits_are_right_or_refused(tmp_path):
    path = tmp_path / "deep.png"
    colors = np.round(np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=-1) * 65535)
    path.write_bytes(png_of_16_bit_colors(colors))
    np.testing.assert_allclose(open_picture(path, (8, 6, 3)).pixels, colors / 257, atol=1)
    path.write_bytes(png_of_16_bit_colors(np.floor(colors / 16)))  # as a camera of 12 bits has them
    with pytest.raises(UserError, match="colours have 16 bits, and reach 6 % of their range"):
        open_picture(path, (8, 6, 3))
    path.write_bytes(png_of_16_bit_colors(np.floor(colors / 257)))  # 8 bits, in the lower half of each number
    with pytest.raises(UserError, match="colours have 16 bits, and reach 0 % of their range"):
        open_picture(path, (8, 6, 3))


def test_the_transparent_color_of_16_bits_becomes_white(tmp_path):
    path = tmp_path / "deep.png"
    colors = np.round(np.stack([RAMP, RAMP, RAMP], axis=-1) * 65535)
    colors[0, 0] = (0x1234, 0x5678, 0x9ABC)
    path.write_bytes(png_of_16_bit_colors(colors, clear=(0x1234, 0x5678, 0x9ABC)))
    colors[0, 0] = 65535
    np.testing.assert_allclose(open_picture(path, (8, 6, 3)).pixels, colors / 257, atol=1)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("clear", [0, 65535])
def test_what_is_transparent_in_greys_becomes_white(tmp_path, bits, clear):
    """As in 8 bits, and it says nothing of the range of what can be seen."""
    values = np.round(RAMP * (2**bits - 1)).astype(np.uint16)
    values[values == 0] = 1
    values[2:4] = clear
    pixels, _ = written(tmp_path, Image.fromarray(values), "deep.png", transparency=clear)
    np.testing.assert_allclose(pixels[2:4], 255, atol=1)
    rest = [0, 1, 4, 5, 6] + [7] * (bits < 16 or clear == 0)
    np.testing.assert_allclose(pixels[rest, :, 0], 255 * RAMP[rest], atol=1)


def test_a_picture_that_is_all_transparent_is_white(tmp_path):
    pixels, _ = written(tmp_path, Image.fromarray(np.full((8, 6), 7, np.uint16)), "deep.png", transparency=7)
    np.testing.assert_array_equal(pixels, 255)


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_signed_numbers_below_zero_are_below_black(tmp_path, dtype):
    """Pillow writes none of 8 bits: the file by hand, little-endian (TIFF 6.0, sections 2 and 19)."""
    values = np.round(RAMP * 120).astype(dtype)
    (tmp_path / "a.tif").write_bytes(signed_tiff(values))
    pixels, note = open_picture(tmp_path / "a.tif", SHAPE)
    np.testing.assert_array_equal(pixels[..., 0], values)
    assert "largest value is 120, so it is taken to have 8 bits" in note
    (tmp_path / "a.tif").write_bytes(signed_tiff(values - dtype(1)))
    with pytest.raises(UserError, match="its values begin at -1, below black"):
        open_picture(tmp_path / "a.tif", SHAPE)


def signed_tiff(values):
    import struct

    height, width = values.shape
    entries = [(256, width), (257, height), (258, 8 * values.itemsize), (259, 1), (262, 1), (273, 8), (277, 1)]
    entries += [(278, height), (279, values.nbytes), (339, 2)]
    directory = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in entries)
    return (
        struct.pack("<2sHI", b"II", 42, 8 + values.nbytes)
        + values.astype(values.dtype.newbyteorder("<")).tobytes()
        + struct.pack("<H", len(entries))
        + directory
        + struct.pack("<I", 0)
    )


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
