"""Classification of text: one label a text."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from nas_jax.data.arrays import Augmentation, Batch, Dataset, Spec
from nas_jax.data.doubts import doubts_about_labels
from nas_jax.data.tokens import PADDING, UNKNOWN
from nas_jax.tasks.base import Shown, Words
from nas_jax.tasks.classification import (
    EXAMPLE,
    UNCALIBRATED,
    Classification,
    check_labels,
    cross_entropy,
    is_correct,
    listed_classes,
    right_class,
)
from nas_jax.tasks.texts import check_tokens, shown_text, text_of_tokens


class Sums(NamedTuple):
    """Over the examples of a batch; of each class `[k]` how many were said to be it, are it, and both."""

    num_said: Int[Array, " k"]
    num_are: Int[Array, " k"]
    num_hits: Int[Array, " k"]
    loss: Float[Array, ""]


@dataclass(frozen=True)
class TextClassification:
    """Names the class of a text: arrays "tokens", int32 [n, length], and "label", places in `class_names`.

    In training each token is an unknown one with the probability `token_dropout` (Iyyer et al. 2015, section 3.3).
    `macro_f1` is the mean over classes of 2 hits / (said + are), 0 for a class that is neither said nor there.
    """

    label_smoothing: float = 0.0
    token_dropout: float = 0.0

    input_name: ClassVar[str] = "tokens"
    signature: ClassVar[str] = "tokens -> vector"
    metric_names: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "loss")
    class_metric_names: ClassVar[tuple[str, ...]] = ("f1",)
    maximize: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Classification(self.label_smoothing)
        if not 0 <= self.token_dropout < 1:
            raise ValueError(f"token_dropout={self.token_dropout}: has to be at least 0 and below 1")

    def check(self, dataset: Dataset) -> None:
        check_tokens(dataset)
        check_labels(dataset, "a text")

    def doubts(self, dataset: Dataset) -> tuple[str, ...]:
        return doubts_about_labels(dataset, "label")

    def num_outputs(self, spec: Spec) -> int:
        return len(spec.class_names)

    def draw(self, key: jax.Array, num: int, augmentation: Augmentation) -> Any:
        return jax.random.split(key, num) if self.token_dropout else ()

    def augment(self, batch: Batch, draws: Any, augmentation: Augmentation) -> Batch:
        if not self.token_dropout:
            return batch
        tokens = jnp.asarray(batch["tokens"])
        lost = jax.vmap(lambda key: jax.random.bernoulli(key, self.token_dropout, tokens.shape[1:]))(draws)
        return {**batch, "tokens": jnp.where(lost & (tokens != PADDING), UNKNOWN, tokens)}

    def inputs(self, batch: Batch, spec: Spec, dtype: jax.typing.DTypeLike) -> Int[Array, "b length"]:
        return jnp.asarray(batch["tokens"])

    def loss(self, outputs: Float[Array, "b k"], batch: Batch) -> Float[Array, " b"]:
        return cross_entropy(outputs, batch["label"], self.label_smoothing)

    def metric_sums(self, outputs: Float[Array, "b k"], batch: Batch, is_real: Bool[Array, " b"]) -> Sums:
        num, real = outputs.shape[-1], is_real[:, None]
        said = (jax.nn.one_hot(jnp.argmax(outputs, -1), num) > 0) & real
        are = (jax.nn.one_hot(batch["label"], num) > 0) & real
        losses = jnp.where(is_real, cross_entropy(outputs, batch["label"]), 0.0)
        return Sums(said.sum(0), are.sum(0), (said & are).sum(0), losses.sum())

    def metrics(self, sums: Any, num: int) -> dict[str, float]:
        f1 = 2 * sums.num_hits / np.maximum(sums.num_said + sums.num_are, 1)
        return {
            "accuracy": float(sums.num_hits.sum() / num),
            "macro_f1": float(np.mean(f1)),
            "loss": float(sums.loss / num),
        }

    def scores(self, outputs: Float[Array, "b k"], batch: Batch) -> Float[Array, " b"]:
        """1 for a hit, else 0."""
        return is_correct(outputs, batch["label"]).astype(jnp.float32)

    def predict(self, outputs: Float[Array, "b k"]) -> Float[Array, "b k"]:
        """Probabilities, in the order of `class_names`."""
        return jax.nn.softmax(outputs.astype(jnp.float32))

    def describe(self, prediction: Float[np.ndarray, " k"], spec: Spec) -> list[str]:
        """A line for each of the most probable classes, the first being the best."""
        return Classification().describe(prediction, spec)

    def class_metrics(self, sums: Any, num: int) -> dict[str, Float[np.ndarray, " k"]]:
        total = np.asarray(sums.num_said + sums.num_are, np.float64)
        return {"f1": np.where(total > 0, 2 * np.asarray(sums.num_hits) / np.maximum(total, 1), np.nan)}

    def show(self, example: Batch, prediction: Float[np.ndarray, " k"], spec: Spec) -> Shown:
        """The text as the network has it, its class where that is known, and the most probable ones."""
        lines = self.describe(prediction, spec)
        return Shown((shown_text(example["tokens"], spec), *right_class(example, spec), *lines))

    def words(self, spec: Spec) -> Words:
        num = len(spec.class_names)
        return Words(
            title="A classifier of text",
            takes=text_of_tokens(spec),
            gives=f"a probability to each of {num} classes",
            inputs="texts",
            predictions="probabilities",
            type=f"float32 [n, {num}]",
            example=EXAMPLE,
            facts=(("Classes", listed_classes(spec.class_names)),),
            limits=(
                "It knows only its classes: every text gets one of them, whatever it says.",
                "It reads the beginning of a text that is longer than what it takes.",
                UNCALIBRATED,
            ),
        )


make = TextClassification
