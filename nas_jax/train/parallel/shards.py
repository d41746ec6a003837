"""A batch in parts on several devices under `jax.pmap`.

A step has to exchange a few things so that it computes what one device would.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
from flax import linen as nn


class Shards(NamedTuple):
    """A batch lies in `num` equal parts on the devices of the mapped axis `axis_name`, one after the other."""

    axis_name: str
    num: int

    def draw(self, draw: Callable[[int], Any], num: int) -> Any:
        """This device's part, of `num` examples, of what `draw` gives for the whole batch."""
        start = jax.lax.axis_index(self.axis_name) * num
        return jax.tree.map(lambda array: jax.lax.dynamic_slice_in_dim(array, start, num), draw(num * self.num))

    def mean(self, values: Any) -> Any:
        """Means over the whole batch, of means over this device's part."""
        return jax.lax.pmean(values, self.axis_name)

    def own_key(self, key: jax.Array) -> jax.Array:
        """What is random within a network is another one on each device, as on each example."""
        return jax.random.fold_in(key, jax.lax.axis_index(self.axis_name))

    def sharing_statistics(self) -> AbstractContextManager[None]:
        """In it batch normalisation, in any network, averages over the whole batch.

        Flax has a field for it, which every network would have to pass on, and which a space of one's own would miss
        without an error.
        """
        return nn.intercept_methods(self._interceptor)

    def _interceptor(
        self, next_fn: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        if isinstance(context.module, nn.BatchNorm):
            object.__setattr__(context.module, "axis_name", self.axis_name)  # frozen, but made for this trace alone
        return next_fn(*args, **kwargs)
