"""Synaptic flow: what all paths through a network add up to, without any data.

Tanaka, Kunin, Yamins & Ganguli, "Pruning neural networks without any data by iteratively conserving synaptic flow",
NeurIPS 2020, equation 2. As a score of a network it is summed over the parameters (Abdelfattah et al. 2021) and given
as its logarithm (NAS-Bench-Suite-Zero: Krishnakumar et al., NeurIPS 2022). As there, normalisations are left out
altogether: in place of each stands the identity.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from nas_jax.zero_cost.probe import Probe, is_floating, run

_NORMALISATIONS = (nn.BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.InstanceNorm)
_EXPONENTS = (0, 40, 80)  # of two, by which inputs and outputs are made small


def synflow(probe: Probe) -> float:
    """log Σ |θ ∂R/∂θ|, where R is the sum of outputs for an input of ones and absolute parameters.

    A deep network's R is beyond what float32 can hold. As R is proportional to the input where biases are zero, the
    input and R are divided by powers of two until all is finite. NaN where nothing flows, or for inputs that are no
    real numbers.
    """
    if not is_floating(probe.inputs):
        return float("nan")
    return next((flow for each in _EXPONENTS if math.isfinite(flow := _flow(probe, each))), float("nan"))


def _flow(probe: Probe, exponent: int) -> float:
    factor = 2.0**-exponent
    params = jax.tree.map(jnp.abs, probe.params)
    inputs = jax.tree.map(lambda leaf: jnp.full((1, *leaf.shape[1:]), factor, leaf.dtype), probe.inputs)

    def total(params: Any) -> jax.Array:
        with nn.intercept_methods(_identity_for_normalisations):
            outputs = probe.network.apply({**probe.variables, "params": params}, inputs, train=False)
        return factor * sum(leaf.sum() for leaf in jax.tree.leaves(outputs))

    gradients = run(probe, jax.grad(total), params)
    flows = jax.tree.map(lambda param, gradient: jnp.sum(jnp.abs(param * gradient)), params, gradients)
    flow = float(np.sum(np.asarray(jax.tree.leaves(flows), np.float64)))
    return math.log(flow) + 2 * exponent * math.log(2) if 0 < flow < math.inf else float("nan")


def _identity_for_normalisations(
    next_function: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
) -> Any:
    if isinstance(context.module, _NORMALISATIONS) and context.method_name == "__call__":
        return args[0]
    return next_function(*args, **kwargs)
