"""Language modelling: the next token after each one of a text."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jax.typing
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from nas_jax.data.arrays import PARTS, Augmentation, Batch, Dataset, Spec
from nas_jax.data.tokens import PADDING, UNKNOWN, shown_token, unit_of
from nas_jax.tasks.base import Shown, Words
from nas_jax.tasks.texts import check_tokens, shown_text, text_of_tokens

_NUM_SHOWN = 5
_EXAMPLE = """\
vocabulary = json.loads(Path("genome.json").read_text())["spec"]["vocabulary"]
for text, row in zip(texts, probabilities):
    print(vocabulary[row[(text != 0).sum() - 1].argmax()])  # what follows the last token; 0 pads"""


class Sums(NamedTuple):
    nats: Float[Array, ""]
    num_tokens: Int[Array, ""]
    num_correct: Int[Array, ""]


@dataclass(frozen=True)
class LanguageModel:
    """Says what follows: arrays "tokens" and "next", int32 [n, length]; a negative "next" is no target.

    Networks give a logit for each place of the vocabulary, at each token. Metrics are over all targets of the split, of
    equal weight: nats (cross entropy), bits (nats / ln 2), the perplexity (e to the nats) and the share of tokens that
    are foreseen.
    """

    input_name: ClassVar[str] = "tokens"
    signature: ClassVar[str] = "tokens -> sequence"
    metric_names: ClassVar[tuple[str, ...]] = ("nats_per_token", "bits_per_token", "perplexity", "token_accuracy")
    maximize: ClassVar[bool] = False

    def check(self, dataset: Dataset) -> None:
        check_tokens(dataset)
        tokens, following = dataset.spec.arrays["tokens"], dataset.spec.arrays.get("next")
        if following != tokens:
            raise ValueError(f"there must be an array 'next' of the kind of 'tokens', {tokens}; it is {following}")
        for part in PARTS:
            targets = getattr(dataset, part)["next"]
            if targets.max() >= len(dataset.vocabulary) or (targets < 0).all(axis=1).any():
                raise ValueError(f"{part}: 'next' must be places of the vocabulary, at least one an example")

    def num_outputs(self, spec: Spec) -> int:
        return len(spec.vocabulary)

    def draw(self, key: jax.Array, num: int, augmentation: Augmentation) -> tuple[()]:
        return ()

    def augment(self, batch: Batch, draws: Any, augmentation: Augmentation) -> Batch:
        return batch

    def inputs(self, batch: Batch, spec: Spec, dtype: jax.typing.DTypeLike) -> Int[Array, "b length"]:
        return jnp.asarray(batch["tokens"])

    def loss(self, outputs: Float[Array, "b length k"], batch: Batch) -> Float[Array, " b"]:
        """The mean over an example's targets, in nats."""
        nats, is_target = _nats(outputs, batch)
        return nats.sum(1) / jnp.maximum(is_target.sum(1), 1)

    def metric_sums(self, outputs: Float[Array, "b length k"], batch: Batch, is_real: Bool[Array, " b"]) -> Sums:
        nats, is_target = _nats(outputs, batch)
        real = is_real[:, None]
        hits = (jnp.argmax(outputs, -1) == batch["next"]) & is_target & real
        return Sums(jnp.where(real, nats, 0.0).sum(), (is_target & real).sum(), hits.sum())

    def metrics(self, sums: Any, num: int) -> dict[str, float]:
        nats = float(sums.nats / sums.num_tokens)
        return {
            "nats_per_token": nats,
            "bits_per_token": nats / float(np.log(2)),
            "perplexity": float(np.exp(min(nats, 700.0))),
            "token_accuracy": float(sums.num_correct / sums.num_tokens),
        }

    def scores(self, outputs: Float[Array, "b length k"], batch: Batch) -> Float[Array, " b"]:
        return -self.loss(outputs, batch)

    def predict(self, outputs: Float[Array, "b length k"]) -> Float[Array, "b length k"]:
        """Probabilities of what follows each token, in the order of the vocabulary."""
        return jax.nn.softmax(outputs.astype(jnp.float32))

    def describe(self, prediction: Float[np.ndarray, "length k"], spec: Spec) -> list[str]:
        """A line for each of the most probable tokens after the last one."""
        best = np.argsort(-prediction[-1], kind="stable")[:_NUM_SHOWN]
        return [f"{shown_token(int(place), spec.vocabulary):<14}  {prediction[-1, place]:.4f}" for place in best]

    def show(self, example: Batch, prediction: Float[np.ndarray, "length k"], spec: Spec) -> Shown:
        """The text and, where what follows is known, how surprising it was, and what was most."""
        lines = [shown_text(example["tokens"], spec)]
        if "next" in example:
            places = np.flatnonzero(np.asarray(example["next"]) >= 0)
            following = np.asarray(example["next"])[places]
            nats = -np.log(np.maximum(prediction[places, following], 1e-30))
            worst = int(np.argmax(nats))
            lines.append(f"{nats.mean():.3f} nats a token")
            token = shown_token(int(following[worst]), spec.vocabulary)
            lines.append(f"the largest surprise: {token}, {nats[worst]:.1f} nats")
        return Shown(tuple(lines))

    def words(self, spec: Spec) -> Words:
        num, unit = len(spec.vocabulary), unit_of(spec.vocabulary)
        return Words(
            title="A language model",
            takes=text_of_tokens(spec),
            gives=f"at each token a probability to each of {num:,} that may follow",
            inputs="texts",
            predictions="probabilities",
            type=f"float32 [n, {spec.arrays['tokens'].shape[0]}, {num}]",
            example=_EXAMPLE,
            facts=(("Tokens", unit), ("Vocabulary", f"{num:,}")),
            limits=("It continues a text in the manner of its training text. What it writes is not true.",),
        )


def sample_next(probabilities: Float[np.ndarray, " k"], rng: np.random.Generator, temperature: float = 1.0) -> int:
    """Draws a token, never padding or an unknown one; below 1 the `temperature` makes the likely ones likelier."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-30)) / temperature
    logits[[PADDING, UNKNOWN]] = -np.inf
    weights = np.exp(logits - logits.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def _nats(
    outputs: Float[Array, "b length k"], batch: Batch
) -> tuple[Float[Array, "b length"], Bool[Array, "b length"]]:
    """Of each target, 0 where there is none, and where there is one."""
    is_target = batch["next"] >= 0
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs.astype(jnp.float32), jnp.maximum(batch["next"], 0))
    return jnp.where(is_target, losses, 0.0), is_target


make = LanguageModel
