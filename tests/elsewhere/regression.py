"""Regression: one number of an image."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp

from nas_jax.data.augment import draw_moves
from nas_jax.tasks.base import Words
from nas_jax.tasks.images import check_images, move_images, normalized_images, text_of_images


@dataclass(frozen=True)
class Regression:
    """Learns the array "target", one number an image, by squared error."""

    input_name: ClassVar[str] = "image"
    metric_names: ClassVar[tuple[str, ...]] = ("rmse", "loss")
    maximize: ClassVar[bool] = False  # the smaller the rmse, the better

    def check(self, dataset):
        check_images(dataset)
        if str(dataset.spec.arrays.get("target")) != "float32 [n]":
            raise ValueError("there must be an array 'target', float32 [n]")

    def num_outputs(self, spec):
        return 1

    def draw(self, key, num, augmentation):
        return draw_moves(key, num, augmentation)

    def augment(self, batch, draws, augmentation):
        return move_images(batch, draws, augmentation)

    def inputs(self, batch, spec, dtype):
        return normalized_images(batch, spec, dtype)

    def loss(self, outputs, batch):
        return (outputs[:, 0] - batch["target"]) ** 2

    def metric_sums(self, outputs, batch, is_real):
        return jnp.where(is_real, self.loss(outputs, batch), 0.0).sum()

    def metrics(self, sums, num):
        return {"rmse": float((sums / num) ** 0.5), "loss": float(sums / num)}

    def scores(self, outputs, batch):
        return -self.loss(outputs, batch)

    def predict(self, outputs):
        return outputs[:, 0]

    def describe(self, prediction, spec):
        return [f"{prediction:.3f}"]

    def words(self, spec):
        return Words(
            title="A regression of images",
            takes=text_of_images(spec),
            gives="one number",
            inputs="images",
            predictions="numbers",
            type="float32 [n]",
            example="print(numbers)",
            limits=("It gives a number for every image, whatever it shows.",),
        )


make = Regression
