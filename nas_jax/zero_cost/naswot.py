"""NASWOT: how far apart the linear regions are in which the examples of a batch lie.

Mellor, Turner, Storkey & Crowley, "Neural Architecture Search without Training", ICML 2021, section 3, equations 1 and
2; over all activations of the network, as the authors' program and NAS-Bench-Suite-Zero have it.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from nas_jax.zero_cost.activations import visit_activations
from nas_jax.zero_cost.probe import Probe, run


def naswot(probe: Probe) -> float:
    """log |det K|, where K_ij is the number of units that examples i and j both switch on, or both off.

    NaN where K is singular: two examples switch the same units, or there are none.
    """
    num = len(jax.tree.leaves(probe.inputs)[0])

    def kernel(params: Any, inputs: Any) -> jax.Array:
        parts = [jnp.zeros((num, num))]

        def add(values: jax.Array) -> None:
            if values.ndim > 0 and len(values) == num:
                parts.append(parts.pop() + agreements((values > 0).reshape(num, -1)))

        visit_activations(add, probe.outputs, params, inputs)
        return parts[0]

    sign, log = np.linalg.slogdet(np.asarray(run(probe, kernel, probe.params, probe.inputs), np.float64))
    return float(log) if sign > 0 and np.isfinite(log) else float("nan")


def agreements(codes: Bool[Array, "b u"]) -> Float[Array, "b b"]:
    """The number of places in which two rows are the same: exact, as whole numbers below 2**24 are in float32."""
    signs = jnp.where(codes, 1.0, -1.0)
    return (codes.shape[1] + signs @ signs.T) / 2
