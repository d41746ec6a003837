"""The documentation of a subpackage of SciPy as running text, for a language model: offline, as in `docstrings.py`."""

from dataclasses import dataclass

from nas_jax.data.arrays import Dataset
from nas_jax.data.docstrings import SUBJECTS, docstrings_of
from nas_jax.data.plain_text import PlainText, dataset_of
from nas_jax.data.tokens import check_unit


@dataclass(frozen=True)
class DocstringText:
    """The first `num_characters` of all docstrings; the last twentieths of them are for validation and the test."""

    subject: str = "stats"
    num_characters: int = 200_000
    unit: str = "characters"
    min_count: int = 5
    num_pieces: int = 500
    length: int = 64

    def __post_init__(self) -> None:
        check_unit(self.unit, self.num_pieces)
        if self.subject not in SUBJECTS:
            raise ValueError(f"subject={self.subject!r}: choose from {', '.join(SUBJECTS)}")
        if self.num_characters < 100 * self.length:
            raise ValueError(f"num_characters={self.num_characters}: has to be at least 100 times length={self.length}")

    def load(self) -> Dataset:
        text = "\n\n".join(docstrings_of(self.subject))[: self.num_characters]
        settings = PlainText(unit=self.unit, min_count=self.min_count, num_pieces=self.num_pieces, length=self.length)
        return dataset_of("docstring_text", {"train": text}, settings)


make = DocstringText
