"""What networks of text have in common: pooling over the tokens that are no padding, and the place of each one."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from nas_jax.data.tokens import PADDING


def is_token(tokens: Int[Array, "b length"]) -> Bool[Array, "b length"]:
    """False for padding."""
    return tokens != PADDING


def pool(x: Float[Array, "b length d"], mask: Bool[Array, "b length"], kind: str) -> Float[Array, "b d"]:
    """Over the places where `mask` is true: "mean", "max", "first" or "last"; the first two are 0 over no place."""
    if kind == "mean":
        weights = mask / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
        return (x * weights[:, :, None].astype(x.dtype)).sum(axis=1)
    if kind == "max":
        largest = jnp.where(mask[:, :, None], x, jnp.finfo(x.dtype).min).max(axis=1)
        return jnp.where(mask.any(axis=1, keepdims=True), largest, 0)
    if kind == "first":
        return x[:, 0]
    last = jnp.maximum(mask.sum(axis=1) - 1, 0)
    return jnp.take_along_axis(x, last[:, None, None], axis=1)[:, 0]


def sinusoids(length: int, width: int) -> Float[np.ndarray, "length width"]:
    """The places as waves (Vaswani et al. 2017, section 3.5): sines, then cosines."""
    half = -(-width // 2)
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(half) / half)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :width].astype(np.float32)


def logits_of_embedding(x: Float[Array, "b length d"], embedding: Float[Array, "v d"]) -> Float[Array, "b length v"]:
    """Of each token by its own embedding, in float32 (Press & Wolf 2017)."""
    vectors = x.astype(jnp.float32).reshape(-1, x.shape[-1])  # XLA on a CPU is slower over three axes
    return (vectors @ embedding.astype(jnp.float32).T).reshape(*x.shape[:-1], -1)


def kernel_of_embedding(width: int) -> jax.nn.initializers.Initializer:
    """Of embeddings that give logits too: the logits of a normalised vector have unit variance."""
    return jax.nn.initializers.normal(width**-0.5)
