"""Names what is in pictures, with the network of a finished run.

    python -m nas_jax.predict --workdir=runs/quickstart digit.png another.jpg

prints the five most probable classes of each picture. Exit codes: 0 done, 2 bad input, before anything is printed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags, logging
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps

from nas_jax.cli import start
from nas_jax.errors import UserError
from nas_jax.export import load_best

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's names, by the number of channels
NUM_SHOWN = 5


def read_picture(path: Path, image_shape: tuple[int, int, int]) -> UInt8[np.ndarray, "h w c"]:
    """A picture file as an image of this shape: turned upright, converted and resized, by which it may be stretched.

    What is transparent becomes white, unless the images have a channel for it. 16-bit greys become 8-bit ones.

    Raises:
        UserError: the file is missing or no picture, or images with that many channels have no colours.
    """
    height, width, channels = image_shape
    if channels not in MODES:
        raise UserError(f"the network takes images of {channels} channels, and a picture file has 1, 3 or 4")
    if not path.is_file():
        raise UserError(f"there is no file {str(path)!r}")
    try:
        with Image.open(path) as file:
            picture: Image.Image = ImageOps.exif_transpose(file)
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{str(path)!r} cannot be read as a picture: {error}") from error
    if picture.mode.startswith("I"):  # Pillow would clip
        picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
    if picture.has_transparency_data and channels < 4:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    resized = picture.convert(MODES[channels]).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(image_shape)


def describe(probabilities: Float[np.ndarray, " k"], class_names: Sequence[str]) -> list[str]:
    """A line for each of the most probable classes, the first being the best."""
    best = np.argsort(-probabilities, kind="stable")[:NUM_SHOWN]
    width = max(len(class_names[k]) for k in best)
    return [f"  {class_names[k]:<{width}}  {probabilities[k]:.4f}" for k in best]


def main(argv: Sequence[str]) -> None:
    """Classifies the pictures whose paths follow the command's name in `argv`."""
    logging.set_verbosity(logging.ERROR)  # Orbax tells at length how it reads a checkpoint
    paths = [Path(argument) for argument in argv[1:]]
    if not paths:
        raise UserError("which pictures? Give their files, for example: digit.png")
    classifier = load_best(Path(flags.FLAGS.workdir) / "best")
    images = np.stack([read_picture(path, classifier.image_shape) for path in paths])
    for path, probabilities in zip(paths, classifier.predict(images), strict=True):
        print("\n".join([str(path), *describe(probabilities, classifier.class_names)]))


if __name__ == "__main__":
    # Not at the top: main, which tests may import beside this module, has a flag of this name as well.
    flags.DEFINE_string("workdir", None, "The working directory of a finished run.", required=True)
    start(main)
