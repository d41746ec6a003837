"""The Flax network of the space `text_cnn`, and its cost (Kim 2014)."""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import jax.typing
from flax import linen as nn
from jaxtyping import Array, Float, Int

from nas_jax.spaces.base import Cost
from nas_jax.spaces.text_layers import is_token, pool

ACTIVATIONS = {"relu": nn.relu, "tanh": nn.tanh, "gelu": nn.gelu}
POOLS = ("max", "mean")


class TextCnnSettings(NamedTuple):
    """What a genome says of a network."""

    kernel_sizes: tuple[int, ...]
    num_layers: int
    width: int
    embedding: int
    activation: str
    dropout: float
    pool: str


class TextCnnNetwork(nn.Module):
    """Embedding, layers of convolutions with dropout before each, and a linear layer for what is pooled."""

    takes_shorter: ClassVar[bool] = True

    settings: TextCnnSettings
    num_tokens: int
    num_outputs: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, tokens: Int[Array, "b length"], train: bool = False) -> Float[Array, "b num_outputs"]:
        chosen = self.settings
        mask = is_token(tokens)
        x = nn.Embed(self.num_tokens, chosen.embedding, dtype=self.dtype, name="embedding")(tokens)
        for number in range(chosen.num_layers):
            x = nn.Dropout(chosen.dropout, deterministic=not train)(x)
            x = jnp.where(mask[:, :, None], x, 0)  # as beyond the end of a text that fills its place
            found = [
                nn.Conv(chosen.width, (size,), dtype=self.dtype, name=f"convolution_{number}_{size}")(x)
                for size in chosen.kernel_sizes
            ]
            x = ACTIVATIONS[chosen.activation](jnp.concatenate(found, axis=-1))
        x = pool(x, mask, chosen.pool)
        x = nn.Dropout(chosen.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_outputs, name="outputs")(x.astype(jnp.float32))


def text_cnn_cost(chosen: TextCnnSettings, length: int, num_tokens: int, num_outputs: int) -> Cost:
    """Of a text of `length` tokens."""
    num_params, flops = num_tokens * chosen.embedding, 0
    inputs, outputs = chosen.embedding, len(chosen.kernel_sizes) * chosen.width
    for _ in range(chosen.num_layers):
        weights = sum(chosen.kernel_sizes) * inputs * chosen.width
        num_params += weights + outputs
        flops += 2 * weights * length
        inputs = outputs
    return Cost(num_params + (outputs + 1) * num_outputs, flops + 2 * outputs * num_outputs)
