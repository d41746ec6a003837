"""Draws docs/tasks.png: what the networks of two finished runs say of validation examples of middling quality.

python docs/tasks_plot.py --segmentation=runs/segmentation --detection=runs/detection
"""

import argparse
import base64
import io
from pathlib import Path

from PIL import Image

from nas_jax.search.examples import read_examples

GAP = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segmentation", type=Path, default=Path("runs/segmentation"))
    parser.add_argument("--detection", type=Path, default=Path("runs/detection"))
    arguments = parser.parse_args()
    pictures = [middling(workdir) for workdir in (arguments.segmentation, arguments.detection)]
    width = sum(picture.width for picture in pictures) + GAP
    page = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    page.paste(pictures[0], (0, 0))
    page.paste(pictures[1], (pictures[0].width + GAP, 0))
    page.save(Path(__file__).parent / "tasks.png", optimize=True)


def middling(workdir: Path) -> Image.Image:
    """The first of the examples around the median."""
    examples = read_examples(workdir / "best")["examples"]
    chosen = next(each for each in examples if each["kind"] == "middling")
    return Image.open(io.BytesIO(base64.b64decode(chosen["picture"])))


if __name__ == "__main__":
    main()
