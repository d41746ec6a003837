"""Gradient norm: how much the first step would change.

Abdelfattah, Mehrotra, Dudziak & Lane, "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, section 3.1.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from nas_jax.zero_cost.probe import Probe, run


def grad_norm(probe: Probe) -> float:
    """The sum over kernels of the Euclidean norm of the loss's gradient.

    Kernels are parameters with at least two axes: no biases, nothing of a normalisation, as in the authors' program.
    """

    def loss(params: Any) -> Float[Array, ""]:
        return probe.loss(probe.outputs(params, probe.inputs))

    gradients = jax.tree.leaves(run(probe, jax.grad(loss), probe.params))
    return float(sum(np.linalg.norm(np.asarray(leaf, np.float64)) for leaf in gradients if leaf.ndim > 1))
