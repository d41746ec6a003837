"""The network of NAS-Bench-201: a cell, and three stages of such cells (Dong & Yang 2020, section 2.1)."""

from functools import reduce

import jax
import jax.numpy as jnp
import jax.typing
from flax import linen as nn
from jaxtyping import Float

from nas_jax.trial import Genome

EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))  # (target, source)
KERNEL_SIDES = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
NUM_STAGES = 3


def _conv(filters: int, side: int, stride: int, dtype: jax.typing.DTypeLike) -> nn.Conv:
    return nn.Conv(filters, (side, side), stride, padding=side // 2, use_bias=False, dtype=dtype)


def _norm(train: bool, dtype: jax.typing.DTypeLike) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=dtype)


class ReluConvNorm(nn.Module):
    """ReLU, convolution, batch normalisation."""

    filters: int
    side: int
    stride: int = 1
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w _"], train: bool) -> Float[jax.Array, "b h2 w2 f"]:
        x = _conv(self.filters, self.side, self.stride, self.dtype)(nn.relu(x))
        return _norm(train, self.dtype)(x)


class Cell(nn.Module):
    """A cell; the number of channels stays. Dead edges are built as well, as in the benchmark."""

    genome: Genome
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w c"], train: bool) -> Float[jax.Array, "b h w c"]:
        nodes = [x]
        for node in (1, 2, 3):
            terms = [
                self._apply(operation, nodes[source], train)
                for operation, (target, source) in zip(self.genome, EDGES, strict=True)
                if target == node and operation != "none"
            ]
            nodes.append(reduce(jnp.add, terms) if terms else jnp.zeros_like(x))
        return nodes[3]

    def _apply(self, operation: str, x: jax.Array, train: bool) -> jax.Array:
        if operation == "skip_connect":
            return x
        if operation == "avg_pool_3x3":
            return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)
        return ReluConvNorm(x.shape[-1], KERNEL_SIDES[operation], dtype=self.dtype)(x, train)


class Reduction(nn.Module):
    """The residual block between two stages: half the side (rounded up), and `filters` channels."""

    filters: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w _"], train: bool) -> Float[jax.Array, "b h2 w2 f"]:
        y = ReluConvNorm(self.filters, 3, 2, self.dtype)(x, train)
        y = ReluConvNorm(self.filters, 3, 1, self.dtype)(y, train)
        shortcut = nn.avg_pool(x, (2, 2), (2, 2), "SAME", count_include_pad=False)
        return y + _conv(self.filters, 1, 1, self.dtype)(shortcut)


class CellNetwork(nn.Module):
    """Three stages of equal cells."""

    genome: Genome
    num_outputs: int
    num_cells: int
    filters: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w c"], train: bool = False) -> Float[jax.Array, "b num_outputs"]:
        x = _conv(self.filters, 3, 1, self.dtype)(x)
        x = _norm(train, self.dtype)(x)
        for stage in range(NUM_STAGES):
            if stage > 0:
                x = Reduction(self.filters << stage, self.dtype)(x, train)
            for _ in range(self.num_cells):
                x = Cell(self.genome, self.dtype)(x, train)
        x = nn.relu(_norm(train, self.dtype)(x)).mean(axis=(1, 2))
        return nn.Dense(self.num_outputs, dtype=jnp.float32)(x)
