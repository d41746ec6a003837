"""Where a network trains: on one device, or on several, which share each batch and compute what one would.

Under `jit` the program is written for the whole batch, and the compiler spreads it over a mesh of devices. Under
`pmap` every device runs the program of its own part, and the step exchanges what concerns the whole batch
(`shards.py`). A batch that cannot be divided among the devices, as the last of an epoch may be, is computed by all of
them alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nas_jax.cpu.compiler import compiler_options
from nas_jax.data.arrays import Batch
from nas_jax.errors import UserError
from nas_jax.train.parallel.shards import Shards
from nas_jax.train.recipe import Recipe
from nas_jax.train.step import ALONE, Sharing

AXIS = "devices"


@dataclass(frozen=True)
class Placement:
    """The devices of one training, and the way to use them: "none" (there is one), "jit" or "pmap"."""

    parallel: str
    devices: tuple[jax.Device, ...]

    @property
    def replicated(self) -> NamedSharding:
        """The whole array on every device."""
        return self._sharding()

    def spread(self, batch_size: int, axis: int) -> NamedSharding:
        """An array whose `axis` is a batch: in parts if it can be divided, else whole on every device."""
        return self._sharding(*[None] * axis, AXIS) if self._is_divisible(batch_size) else self.replicated

    def sharing(self, batch_size: int) -> Sharing:
        """What a step has to exchange with other devices: nothing but under `pmap`."""
        is_shared = self.parallel == "pmap" and self._is_divisible(batch_size)
        return Shards(AXIS, len(self.devices)) if is_shared else ALONE

    def compile(
        self, function: Callable[..., Any], state: Any, examples: Batch, batches_shape: tuple[int, ...]
    ) -> Callable[..., Any]:
        """Compiles `function(state, examples, batches, rates)`, made of a step with `sharing(batches_shape[-1])`.

        The compiled function takes and returns whole arrays. The state that is passed to it is used up.

        Args:
            state: As `examples` an example of an argument, or its shapes.
            batches_shape: Of the indices of examples, int32; the last axis is the batch. Without this axis it is the
                shape of the learning rates, float32.
        """
        rates = jax.ShapeDtypeStruct(batches_shape[:-1], np.float32)
        if self.parallel == "pmap":
            mapped = jax.pmap(
                function, AXIS, in_axes=(None, None, 0, None), out_axes=None, devices=self.devices, donate_argnums=0
            )
            parts = self._parts(np.zeros(batches_shape, np.int32))
            compiled = mapped.lower(state, examples, parts, rates).compile(compiler_options())
            return lambda state, examples, batches, rates: compiled(state, examples, self._parts(batches), rates)
        everywhere = self.replicated
        shardings = (everywhere, everywhere, self.spread(batches_shape[-1], len(batches_shape) - 1), everywhere)
        jitted = jax.jit(function, in_shardings=shardings, out_shardings=everywhere, donate_argnums=0)
        indices = jax.ShapeDtypeStruct(batches_shape, np.int32)
        return jitted.lower(state, examples, indices, rates).compile(compiler_options())

    def _parts(self, batches: np.ndarray) -> np.ndarray:
        """`[..., b]` to what each device gets: `[devices, ..., b / devices]`, or `[devices, ..., b]` if it must."""
        num = len(self.devices)
        if not self._is_divisible(batches.shape[-1]):
            return np.broadcast_to(batches, (num, *batches.shape))
        return np.moveaxis(batches.reshape(*batches.shape[:-1], num, -1), -2, 0)

    def _is_divisible(self, batch_size: int) -> bool:
        return batch_size % len(self.devices) == 0

    def _sharding(self, *spec: str | None) -> NamedSharding:
        return NamedSharding(Mesh(np.array(self.devices), (AXIS,)), PartitionSpec(*spec))


def one_device() -> Placement:
    """The device that JAX uses unless told otherwise."""
    return Placement("none", (jax.local_devices()[0],))


def placement_of(recipe: Recipe) -> Placement:
    """The devices of this machine that `recipe` asks for.

    Raises:
        UserError: there are fewer, or one alone, or they cannot divide a batch.
    """
    if recipe.parallel == "none":
        return one_device()
    devices = jax.local_devices()
    num = len(devices) if recipe.num_devices is None else recipe.num_devices
    if num > len(devices):
        raise UserError(
            f"num_devices={num} of the recipe: this process has {len(devices)} ({jax.default_backend()}); lower it, or "
            "leave it out for all"
        )
    if num == 1 and recipe.num_devices is None:
        raise UserError(
            f"parallel={recipe.parallel} of the recipe: this process sees one device; a worker process has one, so set "
            "execution=in_process for several, or parallel=none"
        )
    if recipe.batch_size % num:
        raise UserError(
            f"batch_size={recipe.batch_size} of the recipe cannot be divided among {num} devices; choose a multiple of "
            f"{num}, or another num_devices"
        )
    return Placement(recipe.parallel, tuple(devices[:num]))
