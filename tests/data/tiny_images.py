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


def mask(index: int) -> np.ndarray:
    """Of an example: 1 where the thing is, 2 where it is not, 3 where nobody can tell."""
    values = np.full((6, 5), 2, np.uint8)
    values[1 : 2 + index % 4, 1:3] = 1
    values[0, 4] = 3
    return values


class TinyScenes(tfds.core.GeneratorBasedBuilder):
    """Images with a mask, boxes and lines of text; their sizes differ, as those of `oxford_iiit_pet` and `voc` do."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="all"), tfds.core.BuilderConfig(name="bare")]  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        one = {
            "bbox": tfds.features.BBoxFeature(),
            "is_crowd": np.bool_,
            "pose": tfds.features.ClassLabel(names=("left", "right")),
            "label": tfds.features.ClassLabel(names=CLASS_NAMES),
        }
        more = {
            "segmentation_mask": tfds.features.Image(shape=(None, None, 1)),
            "objects": tfds.features.Sequence(one),
            "sentence": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=("bad", "good")),
        }
        features = {"image": tfds.features.Image(shape=(None, None, 3))}
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features | (more if self.builder_config.name == "all" else {})),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 20), "test": self._generate_examples(20, 30)}

    def _generate_examples(self, start, stop):
        for index in range(start, stop):
            scale = 1 + index % 2
            pixels = picture(index) if scale == 1 else np.full((12, 10, 3), index, np.uint8)
            example = {"image": Image.fromarray(pixels)}
            if self.builder_config.name == "all":
                values = mask(index).repeat(scale, axis=0).repeat(scale, axis=1)
                corners = [tfds.features.BBox(0.1, 0.2, 0.5, 0.6)] * (index % 3) + [
                    tfds.features.BBox(0.0, 0.0, 1.0, 1.0)
                ]
                example |= {
                    "segmentation_mask": Image.fromarray(values),
                    "objects": [
                        {"bbox": box, "is_crowd": place == index % 3, "pose": 1, "label": index % 3}
                        for place, box in enumerate(corners)
                    ],
                    "sentence": f"Number {index} it is",
                    "label": -1 if start else index % 2,
                }
            yield index, example
