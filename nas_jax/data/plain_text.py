"""Running text in files of one's own, for a language model: `train.txt`, and `val.txt` and `test.txt` if there are any.

The folder may have `validation.txt`, `valid.txt` or `dev.txt` as well. What is missing is the end of the training text,
as a model is to be measured on what comes after. A path to a file is a training text without the others.
"""

import re
from dataclasses import dataclass

import numpy as np

from nas_jax.data.arrays import Dataset, Split
from nas_jax.data.parts import find_parts
from nas_jax.data.settings import check_seed, check_shares, check_sizes, path_of
from nas_jax.data.text_files import read_text
from nas_jax.data.tokens import PADDING, check_unit, make_encode, make_vocabulary
from nas_jax.errors import UserError

IGNORED = -1  # a target that is none
_LINE_BREAK = re.compile(r"\r\n?")  # of other systems


@dataclass(frozen=True)
class PlainText:
    """Windows of `length` tokens, one after the other, and for each token the one that follows it.

    Args:
        path: A folder or a file, in UTF-8.
        unit: What tokens are: "characters", "bytes", "words" (lower case), "cased_words" (as they are written) or
            "pieces" (`nas_jax.data.pieces`).
        min_count: How often a token has to be in the training text to have a place of its own; of pieces, how often
            two have to follow each other to be joined.
        num_pieces: How many pieces to learn, the 256 bytes among them.
        length: Tokens of a window.
        stride: From one training window to the next; fewer than `length` lets windows overlap. 0: `length`.
        num_train, num_val, num_test: How many windows to use, from the beginning; None: all.
        val_share, test_share: Of the training text, where there is no such file.
    """

    path: str = ""
    unit: str = "characters"
    min_count: int = 1
    num_pieces: int = 1000
    length: int = 64
    stride: int = 0
    num_train: int | None = None
    num_val: int | None = None
    num_test: int | None = None
    val_share: float = 0.05
    test_share: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        check_unit(self.unit, self.num_pieces)
        check_seed(self.seed)
        if self.length < 2 or self.stride < 0:
            raise ValueError(f"length={self.length}, stride={self.stride}: at least 2, and no less than 0")
        check_shares(val_share=self.val_share, test_share=self.test_share)
        check_sizes(num_train=self.num_train, num_val=self.num_val, num_test=self.num_test)

    def load(self) -> Dataset:
        if not self.path:
            raise UserError("data.path: name a folder with train.txt, or a file: --config.data.path=…")
        path = path_of(self.path)
        files = find_parts(path, (".txt",))
        texts = {part: _LINE_BREAK.sub("\n", read_text(file)) for part, file in files.items()}
        return dataset_of(path.resolve().stem, texts, self)


def dataset_of(name: str, texts: dict[str, str], settings: PlainText) -> Dataset:
    """The data set of texts by part; parts that are missing are cut from the end of the training text."""
    num = len(texts["train"])
    for part, share in (("test", settings.test_share), ("val", settings.val_share)):
        if part not in texts:
            cut = len(texts["train"]) - max(1, round(share * num))
            texts = {**texts, "train": texts["train"][:cut], part: texts["train"][cut:]}
    vocabulary = make_vocabulary([texts["train"]], settings.unit, settings.min_count, settings.num_pieces)
    encode = make_encode(vocabulary)
    strides = {"train": settings.stride or settings.length}
    splits = {}
    for part in ("train", "val", "test"):
        tokens = encode(texts[part])
        if len(tokens) < 2:
            raise UserError(f"{name}: the {part} text has {len(tokens)} tokens; it needs two or more")
        windows = windows_of(tokens, settings.length, strides.get(part, settings.length))
        size, num_windows = getattr(settings, f"num_{part}"), len(windows["tokens"])
        if size is not None and size > num_windows:
            raise UserError(
                f"num_{part}: {size} asked for, and the {part} text has {num_windows} windows; use at most that"
            )
        splits[part] = {each: array[:size] for each, array in windows.items()}
    return Dataset(name, splits["train"], splits["val"], splits["test"], vocabulary=vocabulary)


def windows_of(tokens: np.ndarray, length: int, stride: int) -> Split:
    """ "tokens" and "next", int32 `[n, length]`: every token but the first is a target, once if stride is length."""
    starts = range(0, len(tokens) - 1, stride)
    inputs = np.full((len(starts), length), PADDING, np.int32)
    targets = np.full((len(starts), length), IGNORED, np.int32)
    for row, start in enumerate(starts):
        num = min(length, len(tokens) - 1 - start)
        inputs[row, :num] = tokens[start : start + num]
        targets[row, :num] = tokens[start + 1 : start + 1 + num]
    return {"tokens": inputs, "next": targets}


make = PlainText
