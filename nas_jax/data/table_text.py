"""Lines of text with a class each, in files of one's own: `train.tsv` or `train.csv`, and such of other parts.

The folder may have `train`, `val` (or `validation`, `valid`, `dev`) and `test`. What is missing is drawn from the
lines of `train`. A path to a file is a training file without the others.
"""

from dataclasses import dataclass

import numpy as np

from nas_jax.data.arrays import Dataset, Split
from nas_jax.data.parts import find_parts
from nas_jax.data.settings import check_seed, check_shares, check_sizes, path_of
from nas_jax.data.text_files import TABLES, Lines, read_lines
from nas_jax.data.tokens import check_unit, encode_all, make_encode, make_vocabulary
from nas_jax.errors import UserError


@dataclass(frozen=True)
class TableText:
    """A table without a header, or with one if columns are given by name.

    Args:
        path: A folder or a file; values are between tabs in `.tsv`, between commas in `.csv`.
        label, text: Columns: numbers from 0 (negative ones count from the end), or names, for files with a header.
        unit: What tokens are: "words" (lower case), "cased_words" (as they are written), "pieces" of them
            (`nas_jax.data.pieces`), "characters" or "bytes".
        min_count: How often a token has to be in the training text to have a place of its own. With 1 there is no
            unknown token to learn from. Of pieces, how often two have to follow each other to be joined.
        num_pieces: How many pieces to learn, the 256 bytes among them.
        length: Tokens of an example; longer ones are cut. 0: what 99 % of the training lines have at most.
        num_train: How many of the training lines to use; None: all that are left.
        val_share, test_share: Of the training lines, where there is no such file.
    """

    path: str = ""
    label: int | str = 0
    text: int | str = -1
    unit: str = "words"
    min_count: int = 2
    num_pieces: int = 1000
    length: int = 0
    num_train: int | None = None
    val_share: float = 0.1
    test_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        check_unit(self.unit, self.num_pieces)
        check_seed(self.seed)
        check_shares(val_share=self.val_share, test_share=self.test_share)
        check_sizes(num_train=self.num_train)
        if self.length < 0:
            raise ValueError(f"length={self.length}: has to be at least 0, which is as long as most lines need")

    def load(self) -> Dataset:
        if not self.path:
            raise UserError("data.path: name a folder with train.tsv, or a file: --config.data.path=…")
        path = path_of(self.path)
        files = find_parts(path, TABLES)
        parts = {part: read_lines(file, self.label, self.text) for part, file in files.items()}
        return dataset_of(path.resolve().name, parts, self)


def dataset_of(name: str, parts: dict[str, Lines], settings: "TableText") -> Dataset:
    """The data set of lines by part; parts that are missing are drawn from the training lines."""
    order = np.random.default_rng(settings.seed).permutation(len(parts["train"].texts)).tolist()
    for part, share in (("test", settings.test_share), ("val", settings.val_share)):
        if part not in parts:
            num = max(1, round(share * len(parts["train"].texts)))
            chosen, order = order[:num], order[num:]
            parts[part] = _picked(parts["train"], chosen)
    if len(order) < (settings.num_train or 1):
        raise UserError(f"num_train: {settings.num_train or 1} asked for, and there are {len(order)} training lines")
    train = _picked(parts["train"], order[: settings.num_train])
    class_names = tuple(sorted({label for lines in parts.values() for label in lines.labels}))
    vocabulary = make_vocabulary(train.texts, settings.unit, settings.min_count, settings.num_pieces)
    lengths = list(map(len, map(make_encode(vocabulary), train.texts)))
    length = settings.length or max(1, int(np.percentile(lengths, 99)))

    def arrays(lines: Lines) -> Split:
        labels = np.array([class_names.index(label) for label in lines.labels], np.int32)
        return {"tokens": encode_all(lines.texts, vocabulary, length), "label": labels}

    return Dataset(name, arrays(train), arrays(parts["val"]), arrays(parts["test"]), class_names, vocabulary=vocabulary)


def _picked(lines: Lines, places: list[int]) -> Lines:
    return Lines([lines.texts[i] for i in places], [lines.labels[i] for i in places])


make = TableText
