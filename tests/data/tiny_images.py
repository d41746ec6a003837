"""A tiny data set in the format of TensorFlow Datasets. Pillow encodes its images, so no TensorFlow is needed."""

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

CLASS_NAMES = ("ant", "bee", "cow")


def picture(index: int, channels: int = 3) -> np.ndarray:
    """The image of an example, 6x5. Its first pixel is the example's index."""
    image = np.random.default_rng(index).integers(0, 256, (6, 5, channels), dtype=np.uint8)
    image[0, 0] = index
    return image


class TinyImages(tfds.core.GeneratorBasedBuilder):
    """40 examples to train on and 20 to test on, labelled by index % 3. Each config but "plain" is odd in one way."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012 (the name and type that TFDS asks for)
        tfds.core.BuilderConfig(name=name)
        for name in ("plain", "gray", "ragged", "validation", "train_only", "unsupervised", "unlabelled", "never")
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        name = self.builder_config.name
        shape = {"gray": (6, 5, 1), "ragged": (None, None, 3)}.get(name, (6, 5, 3))
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "pixels": tfds.features.Image(shape=shape),
                    "species": tfds.features.ClassLabel(names=CLASS_NAMES),
                }
            ),
            supervised_keys=None if name == "unsupervised" else ("pixels", "species"),
        )

    def _split_generators(self, dl_manager):
        other = {"validation": "validation", "train_only": "extra"}.get(self.builder_config.name, "test")
        return {"train": self._generate_examples(0, 40), other: self._generate_examples(40, 60)}

    def _generate_examples(self, start, stop):
        name = self.builder_config.name
        for index in range(start, stop):
            image = picture(index, 1)[..., 0] if name == "gray" else picture(index)
            if name == "ragged" and index % 2:
                image = image[:5]
            label = -1 if name == "unlabelled" else index % 3
            yield index, {"pixels": Image.fromarray(image), "species": label}
