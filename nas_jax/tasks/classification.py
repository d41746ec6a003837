"""Classification: one label an image."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Bool, Float, Int


def cross_entropy(
    logits: Float[jax.Array, "b k"], labels: Int[jax.Array, " b"], label_smoothing: float = 0.0
) -> Float[jax.Array, " b"]:
    """The loss of each example, in nats; smoothed targets as in Szegedy et al. 2016, section 7."""
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), label_smoothing)
    return optax.softmax_cross_entropy(logits, targets)


def is_correct(logits: Float[jax.Array, "b k"], labels: Int[jax.Array, " b"]) -> Bool[jax.Array, " b"]:
    """Whether the most probable class is the right one."""
    return jnp.argmax(logits, axis=-1) == labels
