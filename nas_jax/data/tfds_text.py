"""Sets of TensorFlow Datasets with lines of text that have a class each: `trec`, `glue/sst2`, `imdb_reviews`.

A split all of whose labels are kept secret counts as missing. A set has to be prepared, see `tfds_builder.py`.
"""

from dataclasses import dataclass

from nas_jax.data.arrays import Dataset
from nas_jax.data.settings import shared_fields
from nas_jax.data.table_text import TableText, dataset_of
from nas_jax.data.text_files import Lines
from nas_jax.data.tfds_builder import (
    class_features,
    examples_of,
    first_of,
    in_blocks,
    prepared_builder,
    quiet_absl,
    splits_of_parts,
    text_features,
    text_of,
)
from nas_jax.errors import UserError


@dataclass(frozen=True)
class TfdsText:
    """The splits "train", "validation" and "test"; of what is missing, a share of the training lines.

    Args:
        dataset: May name a config and a version: "glue/sst2:2.0.0".
        data_dir: None: the environment variable TFDS_DATA_DIR, or ~/tensorflow_datasets.
        label, text: Features; "": the first class label, and the first text.
        unit, min_count, num_pieces, length, num_train, val_share, test_share: As of `TableText`.

    Raises:
        ValueError: settings that `TableText` refuses.
    """

    dataset: str = "trec"
    data_dir: str | None = None
    label: str = ""
    text: str = ""
    unit: str = "words"
    min_count: int = 2
    num_pieces: int = 1000
    length: int = 0
    num_train: int | None = None
    val_share: float = 0.1
    test_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        self._of_lines()

    def load(self) -> Dataset:
        with quiet_absl():
            builder = prepared_builder(self.dataset, self.data_dir)
            classes = class_features(builder)
            label = first_of("label", self.label, classes, builder)
            text = first_of("text", self.text, text_features(builder), builder)
            parts: dict[str, Lines] = {}
            for part, split in splits_of_parts(self.dataset, builder.info.splits).items():
                examples = examples_of(builder, [], split)
                shown = [each for each in in_blocks(examples, range(len(examples))) if each[label] >= 0]
                if shown:
                    labels = [classes[label][each[label]] for each in shown]
                    parts[part] = Lines([text_of(each[text]) for each in shown], labels)
        if "train" not in parts:
            raise UserError("data.dataset: the training lines have no label")
        return dataset_of(self.dataset, parts, self._of_lines())

    def _of_lines(self) -> TableText:
        return TableText(**shared_fields(TableText, self))


make = TfdsText
