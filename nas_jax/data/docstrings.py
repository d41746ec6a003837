"""Sentences of SciPy's documentation, each with the subpackage that it is from: text that comes with a dependency.

Nothing is downloaded, and nothing of SciPy is imported: its source files are read. Another version of it has other
sentences.
"""

import ast
import dataclasses
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nas_jax.data.arrays import Dataset
from nas_jax.data.table_text import TableText, dataset_of
from nas_jax.data.text_files import Lines

SUBJECTS = ("linalg", "ndimage", "optimize", "signal", "sparse", "stats")
_MIN_WORDS, _MAX_WORDS = 6, 40
_SIGNS = re.compile(r"[`=>|\\_\[\]{}]|\.\.|--")


@dataclass(frozen=True)
class Docstrings:
    """Up to `num_sentences` a subject, drawn at random; shares of them are for validation and for the test."""

    num_sentences: int = 600
    unit: str = "words"
    min_count: int = 2
    num_pieces: int = 500
    length: int = 32
    num_train: int | None = None
    val_share: float = 0.15
    test_share: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        _ = self.table  # checks the other settings
        if self.num_sentences < 10:
            raise ValueError(f"num_sentences={self.num_sentences}: has to be at least 10")

    @property
    def table(self) -> TableText:
        """The settings of a table of the sentences."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del fields["num_sentences"]
        return TableText(**fields)

    def load(self) -> Dataset:
        lines = Lines([], [])
        for subject in SUBJECTS:
            found = sentences_of(subject)
            order = np.random.default_rng((self.seed, SUBJECTS.index(subject))).permutation(len(found))
            chosen = [found[place] for place in order[: self.num_sentences]]
            lines.texts.extend(chosen)
            lines.labels.extend([subject] * len(chosen))
        return dataset_of("docstrings", {"train": lines}, self.table)


@functools.cache
def sentences_of(subject: str) -> tuple[str, ...]:
    """The different sentences in the docstrings of a subpackage of SciPy, in the order of their files."""
    sentences = (sentence for text in docstrings_of(subject) for sentence in _sentences(text))
    return tuple(dict.fromkeys(sentences))


@functools.cache
def docstrings_of(subject: str) -> tuple[str, ...]:
    """The docstrings of the modules, classes and functions of a subpackage of SciPy, its tests apart."""
    return tuple(_read_docstrings(subject))


def _read_docstrings(subject: str) -> Iterator[str]:
    spec = find_spec("scipy")
    assert spec is not None
    assert spec.origin is not None
    for file in sorted((Path(spec.origin).parent / subject).rglob("*.py")):
        if "tests" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                yield text


def _sentences(text: str) -> Iterator[str]:
    """Of paragraphs of prose: what has signs of code or of tables is left out."""
    for paragraph in re.split(r"\n\s*\n", text):
        flat = " ".join(paragraph.split())
        for sentence in re.split(r"(?<=[.])\s+(?=[A-Z])", flat):
            num = len(sentence.split())
            is_prose = sentence[:1].isupper() and sentence.endswith(".") and not _SIGNS.search(sentence)
            if is_prose and _MIN_WORDS <= num <= _MAX_WORDS:
                yield sentence


make = Docstrings
