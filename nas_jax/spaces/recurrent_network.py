"""The Flax network of the space `recurrent`, and its cost."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import jax.typing
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from nas_jax.layers import DenseOfPlaces
from nas_jax.spaces.base import Cost
from nas_jax.spaces.text_layers import is_token, pool

# Products of an input with kernels, and of a state; numbers of biases. By Flax's cells.
CELLS: dict[str, tuple[Any, int, int]] = {
    "lstm": (nn.OptimizedLSTMCell, 4, 4),  # Hochreiter & Schmidhuber 1997
    "gru": (nn.GRUCell, 3, 4),  # Cho et al. 2014
    "mgu": (nn.MGUCell, 2, 3),  # Zhou et al. 2016: minimal gated unit
    "simple": (nn.SimpleCell, 1, 1),  # Elman 1990
}
POOLS = ("last", "mean", "max")


class RecurrentSettings(NamedTuple):
    """What a genome says of a network. Of a sequence, `direction` and `pool` are "forward" and ""."""

    cell: str
    num_layers: int
    width: int
    embedding: int
    dropout: float
    direction: str = "forward"
    pool: str = ""

    @property
    def num_directions(self) -> int:
        return 2 if self.direction == "both" else 1


class RecurrentNetwork(nn.Module):
    """Embedding, recurrent layers with dropout before each, and a linear layer for the pooled states, or for each."""

    takes_shorter: ClassVar[bool] = True

    settings: RecurrentSettings
    num_tokens: int
    num_outputs: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, tokens: Int[Array, "b length"], train: bool = False) -> Float[Array, "b *length num_outputs"]:
        chosen = self.settings
        mask = is_token(tokens)
        lengths = mask.sum(axis=1)
        x = nn.Embed(self.num_tokens, chosen.embedding, dtype=self.dtype, name="embedding")(tokens)
        # Flax's simple cell hands on its state in the type in which it computes, the others in float32.
        carry = jnp.zeros((tokens.shape[0], chosen.width), self.dtype) if chosen.cell == "simple" else None
        for number in range(chosen.num_layers):
            x = nn.Dropout(chosen.dropout, deterministic=not train)(x)
            ways: list[Any] = [
                nn.RNN(
                    CELLS[chosen.cell][0](chosen.width, dtype=self.dtype, name=f"{way}_{number}"),
                    reverse=way == "backward",
                    keep_order=True,
                )(x, initial_carry=carry, seq_lengths=lengths)
                for way in ("forward", "backward")[: chosen.num_directions]
            ]
            x = jnp.concatenate(ways, axis=-1)
        x = nn.Dropout(chosen.dropout, deterministic=not train)(x)
        if chosen.pool:
            x = _pooled(x, mask, chosen)
        return DenseOfPlaces(self.num_outputs, name="outputs")(x.astype(jnp.float32))


def _pooled(x: Float[Array, "b length d"], mask: Bool[Array, "b length"], chosen: RecurrentSettings) -> Any:
    """Of each text. The last state of what reads backwards is that of the first place."""
    if chosen.pool == "last" and chosen.direction == "both":
        forward, backward = jnp.split(x, 2, axis=-1)
        return jnp.concatenate([pool(forward, mask, "last"), pool(backward, mask, "first")], axis=-1)
    return pool(x, mask, chosen.pool)


def recurrent_cost(chosen: RecurrentSettings, length: int, num_tokens: int, num_outputs: int) -> Cost:
    """Of a text of `length` tokens."""
    _, num_kernels, num_biases = CELLS[chosen.cell]
    num_params, flops = num_tokens * chosen.embedding, 0
    inputs = chosen.embedding
    for _ in range(chosen.num_layers):
        weights = num_kernels * (inputs + chosen.width) * chosen.width
        num_params += chosen.num_directions * (weights + num_biases * chosen.width)
        flops += 2 * chosen.num_directions * weights * length
        inputs = chosen.num_directions * chosen.width
    num_params += (inputs + 1) * num_outputs
    return Cost(num_params, flops + 2 * inputs * num_outputs * (1 if chosen.pool else length))
