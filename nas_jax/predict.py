"""Says what the network of a finished run predicts for pictures.

    python -m nas_jax.predict --workdir=runs/quickstart digit.png another.jpg

prints what the task has to say of each picture; of a classifier, the five most probable classes. A network whose space
or task is no part of nas_jax needs `--allow`, as `load_best` does. Exit codes: 0 done, 2 bad input, before anything is
printed.
"""

if __name__ == "__main__":  # first of all: the other imports take seconds
    from nas_jax.signals import end_at_once

    end_at_once()

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags, logging
from jaxtyping import UInt8
from PIL import Image, ImageOps

from nas_jax.cli import define_path, expand, start
from nas_jax.errors import UserError
from nas_jax.export import load_best
from nas_jax.tasks.base import one_example

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's names, by the number of channels


def read_picture(path: Path, image_shape: tuple[int, ...]) -> UInt8[np.ndarray, "h w c"]:
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


def main(argv: Sequence[str]) -> None:
    """Prints predictions for the pictures whose paths follow the command's name in `argv`."""
    logging.set_verbosity(logging.ERROR)  # Orbax tells at length how it reads a checkpoint
    paths = [expand(argument) for argument in argv[1:]]
    if not paths:
        raise UserError("which pictures? Give their files, for example: digit.png")
    predictor = load_best(Path(flags.FLAGS.workdir) / "best", flags.FLAGS.allow)
    task, spec = predictor.task, predictor.spec
    if task.input_name != "image":
        raise UserError(f"the network takes no pictures, but {task.input_name} {predictor.input}")
    predictions = predictor.predict(np.stack([read_picture(path, spec.image_shape) for path in paths]))
    for place, path in enumerate(paths):
        lines = task.describe(one_example(predictions, place), spec)
        print("\n".join([str(path), *(f"  {line}" for line in lines)]))


if __name__ == "__main__":
    # Not at the top: main, which tests may import beside this module, has a flag of this name as well.
    define_path("workdir", None, "The working directory of a finished run.", required=True)
    flags.DEFINE_list("allow", [], "Modules or packages outside of nas_jax that the network may name, with commas.")
    start(main)
