"""Picture files of several formats and modes, damaged: read as pixels of the right shape, or refused."""

import io
import random
from functools import partial
from pathlib import Path

import numpy as np
from damage import damaged_bytes
from outcomes import Outcomes
from PIL import Image

from nas_jax.pictures import open_picture

SHAPES = ((8, 8, 1), (5, 7, 3), (3, 9, 4))


def fuzz_pictures(num: int, seed: int, folder: Path, outcomes: Outcomes) -> None:
    """Tries `num` files in `folder`."""
    rng, originals = random.Random(seed), _originals()
    path = folder / "picture"
    for _ in range(num):
        content = damaged_bytes(rng, rng.choice(originals)) if rng.random() < 0.9 else rng.randbytes(rng.randint(0, 99))
        path.write_bytes(content)
        shape = rng.choice(SHAPES)
        outcomes.add(partial(_read, path, shape), f"picture of shape {shape}: {content!r}")


def _read(path: Path, shape: tuple[int, ...]) -> None:
    pixels = open_picture(path, shape).pixels
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise AssertionError(f"{pixels.shape} {pixels.dtype} for {shape}")


def _originals() -> list[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (12, 10, 4), np.uint8)
    images = {
        mode: Image.fromarray(noise, "RGBA").convert(mode) for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK")
    }
    deep = [Image.fromarray(noise[..., 0].astype(kind) * 9) for kind in (np.uint16, np.int32, np.float32)]
    formats = {
        "PNG": [images[mode] for mode in ("1", "L", "P", "LA", "RGB", "RGBA")] + deep[:1],
        "TIFF": [*images.values(), *deep],
        "JPEG": [images[mode] for mode in ("L", "RGB", "CMYK")],
        "GIF": [images["P"]],
        "BMP": [images["RGB"]],
        "WEBP": [images["RGB"], images["RGBA"]],
        "PPM": [images["L"], images["RGB"]],
    }
    return [_encoded(image, name) for name, listed in formats.items() for image in listed]


def _encoded(image: Image.Image, name: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name)
    return buffer.getvalue()
