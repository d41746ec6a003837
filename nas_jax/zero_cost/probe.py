"""A network as it is before its training, and one batch: all that a zero-cost score may look at.

A network of a few layers is compiled as a whole, for each score. One of many, which mostly repeat, runs operation by
operation: XLA keeps the program of each by its shape, and networks of one space have most shapes in common, so that
from the third or so on hardly anything is compiled (`experiments/zero_cost`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float


class Probe(NamedTuple):
    """What is scored.

    `variables` are a collection "params" and any others; `inputs` is what the network takes, of a batch; `loss` gives
    the mean loss of that batch from the network's outputs.
    """

    network: nn.Module
    variables: dict[str, Any]
    inputs: Any
    loss: Callable[[Any], Float[Array, ""]]

    @property
    def params(self) -> Any:
        return self.variables["params"]

    def outputs(self, params: Any, inputs: Any) -> Any:
        """Of the network in training: batch normalisation uses the batch, dropout drops."""
        statistics = {name: value for name, value in self.variables.items() if name != "params"}
        rngs = {"dropout": jax.random.key(0)}
        outputs, _ = self.network.apply(
            {"params": params, **statistics}, inputs, train=True, mutable=list(statistics), rngs=rngs
        )
        return outputs


_MAX_KERNELS = 20  # of a network that is compiled as a whole


def run(probe: Probe, fn: Callable[..., Any], *args: Any) -> Any:
    """`fn(*args)`, a function of the whole network."""
    num_kernels = sum(leaf.ndim > 1 for leaf in jax.tree.leaves(probe.params))
    return (jax.jit(fn) if num_kernels <= _MAX_KERNELS else fn)(*args)


def is_floating(inputs: Any) -> bool:
    """Whether one can differentiate by all that a network takes; by tokens one cannot."""
    return all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(inputs))
