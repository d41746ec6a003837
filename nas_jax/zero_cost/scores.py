"""The zero-cost scores by name, and all that are wanted of one network."""

from collections.abc import Callable, Sequence

from nas_jax.zero_cost.grad_norm import grad_norm
from nas_jax.zero_cost.jacov import jacov
from nas_jax.zero_cost.naswot import naswot
from nas_jax.zero_cost.probe import Probe
from nas_jax.zero_cost.synflow import synflow

VERSION = 1  # of the definitions: another one makes stored scores worthless

SCORES: dict[str, Callable[[Probe], float]] = {
    "grad_norm": grad_norm,
    "jacov": jacov,
    "naswot": naswot,
    "synflow": synflow,
}


def scores_of(probe: Probe, names: Sequence[str] = tuple(SCORES)) -> dict[str, float]:
    """The scores, by name; NaN is one that the network does not have."""
    return {name: SCORES[name](probe) for name in names}
