"""Says what the network of a finished run predicts for pictures.

    python -m nas_jax.predict --workdir=runs/quickstart digit.png another.jpg

prints what the task has to say of each picture; of a classifier, the five most probable classes. A network whose space
or task is no part of nas_jax needs `--allow`, as `load_best` does. Exit codes: 0 done, 2 bad input, before anything is
printed.
"""

if __name__ == "__main__":  # first of all: the other imports take seconds
    from nas_jax.signals import end_at_once

    end_at_once()

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags, logging
from jaxtyping import UInt8

from nas_jax.cli import define_path, expand, start
from nas_jax.errors import UserError
from nas_jax.export import load_best
from nas_jax.pictures import open_picture
from nas_jax.tasks.base import one_example


def read_picture(path: Path, image_shape: tuple[int, ...]) -> UInt8[np.ndarray, "h w c"]:
    """The pixels of `pictures.open_picture`, which says how they are read and what is refused."""
    return open_picture(path, image_shape).pixels


def main(argv: Sequence[str]) -> None:
    """Prints predictions for the pictures whose paths follow the command's name in `argv`."""
    logging.set_verbosity(logging.FATAL)  # Orbax tells at length how it reads a checkpoint, and Pillow a bad picture
    paths = [expand(argument) for argument in argv[1:]]
    if not paths:
        raise UserError("which pictures? Give their files, for example: digit.png")
    predictor = load_best(Path(flags.FLAGS.workdir) / "best", flags.FLAGS.allow)
    task, spec = predictor.task, predictor.spec
    if task.input_name != "image":
        raise UserError(f"the network takes no pictures, but {task.input_name} {predictor.input}")
    pictures = [open_picture(path, spec.image_shape) for path in paths]
    predictions = predictor.predict(np.stack([picture.pixels for picture in pictures]))
    for picture in pictures:
        if picture.note:
            print(f"note: {picture.note}", file=sys.stderr)
    for place, path in enumerate(paths):
        lines = task.describe(one_example(predictions, place), spec)
        print("\n".join([str(path), *(f"  {line}" for line in lines)]))


if __name__ == "__main__":
    # Not at the top: main, which tests may import beside this module, has a flag of this name as well.
    define_path("workdir", None, "The working directory of a finished run.", required=True)
    flags.DEFINE_list("allow", [], "Modules or packages outside of nas_jax that the network may name, with commas.")
    start(main)
