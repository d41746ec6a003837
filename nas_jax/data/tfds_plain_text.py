"""Sets of TensorFlow Datasets with running text, for a language model: `tiny_shakespeare`, `lm1b`.

The examples of a split follow each other, a line each. A set has to be prepared, see `tfds_builder.py`.
"""

from dataclasses import dataclass

from nas_jax.data.arrays import Dataset
from nas_jax.data.plain_text import PlainText, dataset_of
from nas_jax.data.settings import shared_fields
from nas_jax.data.tfds_builder import (
    examples_of,
    first_of,
    in_blocks,
    prepared_builder,
    quiet_absl,
    splits_of_parts,
    text_features,
    text_of,
)


@dataclass(frozen=True)
class TfdsPlainText:
    """The splits "train", "validation" and "test"; of what is missing, the end of the training text.

    Args:
        dataset: May name a config and a version.
        data_dir: None: the environment variable TFDS_DATA_DIR, or ~/tensorflow_datasets.
        text: The feature; "": the first text.
        max_examples: Of each split, from the beginning; None: all.
        unit, min_count, num_pieces, length, stride, num_train, num_val, num_test, val_share, test_share: As of
            `PlainText`.

    Raises:
        ValueError: settings that `PlainText` refuses.
    """

    dataset: str = "tiny_shakespeare"
    data_dir: str | None = None
    text: str = ""
    max_examples: int | None = None
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
        self._of_text()
        if self.max_examples is not None and self.max_examples < 1:
            raise ValueError(f"max_examples={self.max_examples}: has to be at least 1")

    def load(self) -> Dataset:
        with quiet_absl():
            builder = prepared_builder(self.dataset, self.data_dir)
            text = first_of("text", self.text, text_features(builder), builder)
            texts: dict[str, str] = {}
            for part, split in splits_of_parts(self.dataset, builder.info.splits).items():
                examples = examples_of(builder, [], split)
                num = min(len(examples), self.max_examples or len(examples))
                texts[part] = "\n".join(text_of(example[text]) for example in in_blocks(examples, range(num)))
        return dataset_of(self.dataset, texts, self._of_text())

    def _of_text(self) -> PlainText:
        return PlainText(**shared_fields(PlainText, self))


make = TfdsPlainText
