"""A few validation examples with what the exported network says of them, for the report: the worst first."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from nas_jax.data.arrays import num_examples
from nas_jax.json_files import read_json
from nas_jax.tasks.base import Problem, Showing, one_example
from nas_jax.train.evaluation import Measured

NAME = "examples.json"
_NUM_OF = {"worst": 6, "middling": 3, "best": 3}
_LARGEST_SIDE = 800  # pixels of a picture
_MOST_TEXT = 600  # characters of a line


def write_examples(
    directory: Path, predict: Callable[[np.ndarray], Any], problem: Problem, validated: Measured
) -> None:
    """Writes `examples.json`, unless the task has nothing to show.

    Args:
        predict: as `Predictor.predict`.
        validated: the network on the validation split.
    """
    task, split = problem.task, problem.dataset.val
    if not isinstance(task, Showing):
        return
    scores = validated.scores
    chosen = choose_examples(scores, validated.losses)
    places = [place for each in chosen.values() for place in each]
    predictions = predict(split[task.input_name][places])
    records = []
    for kind, row in ((kind, row) for kind, each in chosen.items() for row in each):
        example = one_example(split, row)
        shown = task.show(example, one_example(predictions, places.index(row)), problem.dataset.spec)
        picture = None if shown.picture is None else base64.b64encode(png_bytes(shown.picture)).decode()
        lines = [line[:_MOST_TEXT] for line in shown.lines]
        records.append({"kind": kind, "place": row, "score": float(scores[row]), "lines": lines, "picture": picture})
    record = {"num_examples": num_examples(split), "examples": records}
    (directory / NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_examples(directory: Path) -> dict[str, Any]:
    """What `write_examples` wrote; nothing where there is no such file."""
    path = directory / NAME
    return read_json(path, {"num_examples": int, "examples": list[dict[str, Any]]}) if path.exists() else {}


def choose_examples(scores: Float[np.ndarray, " n"], losses: Float[np.ndarray, " n"]) -> dict[str, list[int]]:
    """Places of the worst, of some around the median, and of the best ones, each place once.

    Of equal scores, as hits and misses have them, the one with the larger loss is worse.
    """
    order = np.lexsort((-losses, scores)).tolist()
    middle = max(len(order) // 2 - _NUM_OF["middling"] // 2, 0)
    groups = {
        "worst": order[: _NUM_OF["worst"]],
        "middling": order[middle : middle + _NUM_OF["middling"]],
        "best": order[::-1][: _NUM_OF["best"]],
    }
    seen: set[int] = set()
    chosen = {}
    for kind, places in groups.items():
        chosen[kind] = [place for place in places if place not in seen]
        seen.update(places)
    return chosen


def png_bytes(picture: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """The picture as a file; a large one is made smaller."""
    image, file = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
