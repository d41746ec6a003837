"""Says what the network of a finished run predicts for pictures, or for lines of text.

    python -m nas_jax.predict --workdir=runs/quickstart digit.png another.jpg
    python -m nas_jax.predict --workdir=runs/text "The variance of the sum of two random numbers."

prints what the task has to say of each; of a classifier, the five most probable classes. Masks and boxes are drawn over
the picture, as the network had it, in `digit-predicted.png` in the current folder or in `--out`. A language model
continues each text by `--num_tokens` tokens, drawn at random from `--seed`; a lower `--temperature` makes them more
probable. A network whose space or task is no part of nas_jax needs `--allow`, as `load_best` does. Exit codes: 0 done,
2 bad input, before anything is printed.
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
from nas_jax.data.tokens import PADDING, UNKNOWN, encode, input_of, text_of
from nas_jax.errors import UserError
from nas_jax.export import Predictor, load_best
from nas_jax.pictures import open_picture
from nas_jax.search.examples import png_bytes
from nas_jax.tasks.base import Showing, Signed, Task, one_example
from nas_jax.tasks.language_model import LanguageModel, sample_next


def read_picture(path: Path, image_shape: tuple[int, ...]) -> UInt8[np.ndarray, "h w c"]:
    """The pixels of `pictures.open_picture`, which says how they are read and what is refused."""
    return open_picture(path, image_shape).pixels


def main(argv: Sequence[str]) -> None:
    """Prints predictions for the pictures whose paths, or the texts that, follow the command's name in `argv`."""
    logging.set_verbosity(logging.FATAL)  # Orbax tells at length how it reads a checkpoint, and Pillow a bad picture
    if not argv[1:]:
        raise UserError("which pictures, or lines of text? Give their files, for example digit.png, or the text itself")
    workdir = Path(flags.FLAGS.workdir)
    if workdir.name == "best" and (workdir / "genome.json").exists():
        raise UserError(f"--workdir={workdir}: give the folder of the run, {workdir.parent}, in which this one lies")
    predictor = load_best(workdir / "best", flags.FLAGS.allow)
    task = predictor.task
    if task.input_name == "tokens":
        for text in argv[1:]:
            check_text(text)
        for text in argv[1:]:
            print("\n".join([text, *(f"  {line}" for line in lines_of_text(predictor, text))]))
    elif task.input_name == "image":
        _print_pictures(predictor, [expand(argument) for argument in argv[1:]])
    else:
        raise UserError(f"the network takes no pictures, but {task.input_name} {predictor.input}")


def lines_of_text(predictor: Predictor, text: str) -> list[str]:
    """What a network says of a text: its task's description, or how a language model continues it."""
    task, spec = predictor.task, predictor.spec
    if isinstance(task, LanguageModel):
        given = flags.FLAGS
        rng = np.random.default_rng(given.seed)
        return continuation(predictor, text, given.num_tokens, rng, given.temperature).splitlines() or [""]
    predictions = predictor.predict(input_of(text, spec)[None])
    return task.describe(one_example(predictions, 0), spec)


def continuation(
    predictor: Predictor, text: str, num_tokens: int, rng: np.random.Generator, temperature: float = 1.0
) -> str:
    """The text with `num_tokens` more that a language model has drawn, each one by the last that it takes.

    What is not in the vocabulary is shown as the network gets it: `[?]`.
    """
    vocabulary, length = predictor.spec.vocabulary, predictor.input.shape[0]
    tokens = encode(text, vocabulary).tolist() or [UNKNOWN]
    for _ in range(num_tokens):
        last = tokens[-length:]
        window = np.full((1, length), PADDING, np.int32)
        window[0, : len(last)] = last
        probabilities = predictor.predict(window)[0, len(last) - 1]
        tokens.append(sample_next(probabilities, rng, temperature))
    return text_of(tokens, vocabulary, unknown="[?]")


def check_text(text: str) -> None:
    """Raises UserError if it holds bytes that are no text, as a shell may give them."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"the text {text!r} is not in UTF-8, see its character {error.start + 1}") from error


def _print_pictures(predictor: Predictor, paths: Sequence[Path]) -> None:
    task, spec = predictor.task, predictor.spec
    pictures = [open_picture(path, spec.image_shape) for path in paths]
    targets = _targets(task, paths)
    predictions = predictor.predict(np.stack([picture.pixels for picture in pictures]))
    for picture in pictures:
        if picture.note:
            print(f"note: {picture.note}", file=sys.stderr)
    for place, path in enumerate(paths):
        prediction = one_example(predictions, place)
        lines = task.describe(prediction, spec)
        if isinstance(task, Showing) and targets:
            shown = task.show({task.input_name: pictures[place].pixels}, prediction, spec)
            if shown.picture is not None:
                targets[place].write_bytes(png_bytes(shown.picture))
                lines = [*lines, f"shown in {targets[place]}"]
        print("\n".join([str(path), *(f"  {line}" for line in lines)]))


def _targets(task: Task, paths: Sequence[Path]) -> list[Path]:
    """Where pictures of the predictions go: always of masks and boxes, which only a picture shows, else if asked for.

    Raises:
        UserError: two of them would go to one place, or one onto a picture that was given.
    """
    folder = flags.FLAGS.out
    is_vector = isinstance(task, Signed) and task.signature.endswith("vector")
    if not isinstance(task, Showing) or (folder is None and is_vector):
        return []
    targets = [Path(folder or ".") / f"{path.stem}-predicted.png" for path in paths]
    for target in targets:
        if targets.count(target) > 1 or target.resolve() in [path.resolve() for path in paths]:
            raise UserError(
                f"two pictures would be {target}; give the pictures other names, or another folder by --out"
            )
    Path(folder or ".").mkdir(parents=True, exist_ok=True)
    return targets


if __name__ == "__main__":
    # Not at the top: main, which tests may import beside this module, has a flag of this name as well.
    define_path("workdir", None, "The working directory of a finished run.", required=True)
    define_path("out", None, "The folder for pictures of predictions; of masks and boxes the current one.")
    flags.DEFINE_list("allow", [], "Modules or packages outside of nas_jax that the network may name, with commas.")
    flags.DEFINE_integer("num_tokens", 200, "By how many tokens a language model continues a text.", lower_bound=0)
    flags.DEFINE_integer("seed", 0, "Where the draws of a language model begin.", lower_bound=0)
    flags.DEFINE_float("temperature", 1.0, "Below 1 a language model keeps to what is likely.", lower_bound=0.01)
    start(main)
