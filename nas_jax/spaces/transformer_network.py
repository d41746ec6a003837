"""The Flax network of the space `transformer`, and its cost (Vaswani et al. 2017)."""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import jax.typing
from flax import linen as nn
from jaxtyping import Array, Float, Int

from nas_jax.layers import DenseOfPlaces, dense_product
from nas_jax.spaces.base import Cost
from nas_jax.spaces.text_layers import is_token, kernel_of_embedding, logits_of_embedding, pool, sinusoids

ACTIVATIONS = {"gelu": nn.gelu, "relu": nn.relu, "silu": nn.silu}
POSITIONS = ("learned", "sinusoidal", "none")
NORMS = ("before", "after")  # each attention and each pair of dense layers
POOLS = ("mean", "max", "first")


class TransformerSettings(NamedTuple):
    """What a genome says of a network. `pool` is of those that give a vector, `is_tied` of language models."""

    num_layers: int
    width: int
    num_heads: int
    factor: int  # of the width, of the dense layer within
    position: str
    norm: str
    activation: str
    dropout: float
    pool: str = ""
    is_tied: bool = False


class Block(nn.Module):
    """Attention, and two dense layers, each added to its input."""

    settings: TransformerSettings
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b length d"], mask: Array, train: bool) -> Float[Array, "b length d"]:
        chosen = self.settings

        def attention(x: Array) -> Array:
            layer = nn.MultiHeadDotProductAttention(
                chosen.num_heads,
                dtype=self.dtype,
                qkv_dot_general=dense_product,
                out_dot_general=dense_product,
                name="attention",
            )
            return layer(x, mask=mask)

        def dense(x: Array) -> Array:
            x = DenseOfPlaces(chosen.factor * chosen.width, dtype=self.dtype, name="dense_in")(x)
            x = ACTIVATIONS[chosen.activation](x)
            return DenseOfPlaces(chosen.width, dtype=self.dtype, name="dense_out")(x)

        for name, part in (("attention", attention), ("dense", dense)):
            norm = nn.LayerNorm(dtype=self.dtype, name=f"norm_{name}")
            drop = nn.Dropout(chosen.dropout, deterministic=not train)
            x = x + drop(part(norm(x))) if chosen.norm == "before" else norm(x + drop(part(x)))
        return x


class TransformerNetwork(nn.Module):
    """Embedding and places, blocks, and a linear layer: for the pooled vectors, or for each token and those before."""

    takes_shorter: ClassVar[bool] = True

    settings: TransformerSettings
    length: int  # of the longest text
    num_tokens: int
    num_outputs: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, tokens: Int[Array, "b length"], train: bool = False) -> Float[Array, "b *length num_outputs"]:
        chosen = self.settings
        is_real, length = is_token(tokens), tokens.shape[1]
        mask = nn.make_attention_mask(jnp.ones_like(is_real), is_real)
        if not chosen.pool:
            mask = nn.combine_masks(mask, nn.make_causal_mask(tokens))
        init = kernel_of_embedding(chosen.width)
        embedding = nn.Embed(self.num_tokens, chosen.width, dtype=self.dtype, embedding_init=init, name="embedding")
        x = embedding(tokens) * chosen.width**0.5
        if chosen.position == "learned":
            position = self.param("position", nn.initializers.normal(0.02), (1, self.length, chosen.width))
            x = x + position[:, :length].astype(self.dtype)
        if chosen.position == "sinusoidal":
            x = x + jnp.asarray(sinusoids(length, chosen.width)[None], self.dtype)
        x = nn.Dropout(chosen.dropout, deterministic=not train)(x)
        for number in range(chosen.num_layers):
            x = Block(chosen, self.dtype, name=f"block_{number}")(x, mask, train)
        if chosen.norm == "before":
            x = nn.LayerNorm(dtype=self.dtype, name="norm")(x)
        if chosen.pool:
            x = pool(x, is_real, chosen.pool)
        if chosen.is_tied:
            return logits_of_embedding(x, embedding.embedding)
        return DenseOfPlaces(self.num_outputs, name="outputs")(x.astype(jnp.float32))


def transformer_cost(chosen: TransformerSettings, length: int, num_tokens: int, num_outputs: int) -> Cost:
    """Of a text of `length` tokens; attention is counted at all pairs of places, as it is computed."""
    width, hidden = chosen.width, chosen.factor * chosen.width
    weights = 4 * width * width + 2 * width * hidden
    rest = 4 * width + (hidden + width) + 4 * width  # biases, and two normalisations
    num_params = num_tokens * width + chosen.num_layers * (weights + rest)
    num_params += length * width if chosen.position == "learned" else 0
    num_params += 2 * width if chosen.norm == "before" else 0
    num_params += 0 if chosen.is_tied else (width + 1) * num_outputs
    flops = chosen.num_layers * (2 * weights * length + 4 * length * length * width)
    flops += 2 * width * num_outputs * (1 if chosen.pool else length)
    return Cost(num_params, flops)
