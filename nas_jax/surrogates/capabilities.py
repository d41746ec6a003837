"""What a fitted surrogate can besides predicting: its own methods, or those of the surrogate that it wraps.

A wrapper that chooses among surrogates can do what its choice can, so the answers depend on the state as well.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from nas_jax.surrogates.base import (
    Conditioning,
    Explaining,
    Grouping,
    RelevanceDetermining,
    Sampling,
    State,
    Surrogate,
    Wrapping,
)

Sampler = Callable[[jax.Array, Any, int], Float[jax.Array, "num m"]]
Conditioner = Callable[[Any, Any], State]


def grouped(surrogate: Surrogate, labels: Sequence[Hashable]) -> Surrogate:
    """The surrogate, told a label for each feature if it has a use for that."""
    return surrogate.with_groups(labels) if isinstance(surrogate, Grouping) else surrogate


def sampler_of(surrogate: Surrogate, state: State) -> Sampler | None:
    """`(key, x_new, num) -> draws`, as `Sampling.sample` of this state, or None where there are no joint draws."""
    if isinstance(surrogate, Sampling):
        return partial(surrogate.sample, state)
    if isinstance(surrogate, Wrapping):
        wrapper, sample = surrogate, sampler_of(*surrogate.unwrap(state))
        if sample is not None:
            return lambda key, x_new, num: wrapper.wrap_draws(state, x_new, sample(key, x_new, num))
    return None


def conditioner_of(surrogate: Surrogate, state: State) -> Conditioner | None:
    """`(x, y) -> state`, as `Conditioning.condition` of this state, or None where only a new fit adds measurements."""
    if isinstance(surrogate, Conditioning):
        return partial(surrogate.condition, state)
    if isinstance(surrogate, Wrapping):
        wrapper, condition = surrogate, conditioner_of(*surrogate.unwrap(state))
        if condition is not None:
            return lambda x, y: wrapper.wrap(state, condition(x, y))
    return None


def description_of(surrogate: Surrogate, state: State) -> dict[str, Any]:
    """`Explaining.describe` of this state; empty where there is nothing to say."""
    if isinstance(surrogate, Explaining):
        return surrogate.describe(state)
    if isinstance(surrogate, Wrapping):
        return description_of(*surrogate.unwrap(state))
    return {}


def lengthscales_of(surrogate: Surrogate, state: State) -> Float[np.ndarray, " d"] | None:
    """`RelevanceDetermining.lengthscales` of this state, or None without a lengthscale for each feature."""
    if isinstance(surrogate, RelevanceDetermining):
        return surrogate.lengthscales(state)
    if isinstance(surrogate, Wrapping):
        return lengthscales_of(*surrogate.unwrap(state))
    return None
