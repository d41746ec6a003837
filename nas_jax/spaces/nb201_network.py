"""The network of NAS-Bench-201: a cell, and three stages of such cells (Dong & Yang 2020, section 2.1)."""

from functools import reduce
from itertools import count

import jax
import jax.numpy as jnp
import jax.typing
from flax import linen as nn
from jaxtyping import Float

from nas_jax.layers import Conv, Dense, Norm, ReluMean
from nas_jax.trial import Genome

EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))  # (target, source)
KERNEL_SIDES = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
NUM_STAGES = 3


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
        x = Conv(self.filters, self.side, self.stride, self.dtype)(nn.relu(x))
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
        return y + Conv(self.filters, 1, dtype=self.dtype)(shortcut)


class CellNetwork(nn.Module):
    """Three stages of equal cells."""

    genome: Genome
    num_outputs: int
    num_cells: int
    filters: int
    dtype: jax.typing.DTypeLike = jnp.float32

    @nn.nowrap  # outside of a call too
    def stages(self) -> tuple[nn.Module, ...]:
        """Stem, cells and reductions, head, each of them `(x, train) -> x`."""
        stages: list[nn.Module] = [
            Conv(self.filters, 3, dtype=self.dtype, name="Conv_0"),
            Norm(self.dtype, name="BatchNorm_0"),
        ]
        cells, reductions = (count() for _ in range(2))
        for number in range(NUM_STAGES):
            if number > 0:
                stages.append(Reduction(self.filters << number, self.dtype, name=f"Reduction_{next(reductions)}"))
            for _ in range(self.num_cells):
                stages.append(Cell(self.genome, self.dtype, name=f"Cell_{next(cells)}"))
        outputs = Dense(self.num_outputs, is_activated=False, name="Dense_0")
        return (*stages, Norm(self.dtype, name="BatchNorm_1"), ReluMean(), outputs)

    @nn.compact
    def __call__(self, x: Float[jax.Array, "b h w c"], train: bool = False) -> Float[jax.Array, "b num_outputs"]:
        for stage in self.stages():
            x = stage(x, train)
        return x
