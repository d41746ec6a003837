"""Jacobian covariance: how differently a network responds to each example.

Mellor, Turner, Storkey & Crowley, "Neural Architecture Search without Training", first version (arXiv:2006.04647v1,
2020), section 3.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nas_jax.zero_cost.probe import Probe, is_floating, run

_JITTER = 1e-5


def jacov(probe: Probe) -> float:
    """`score` of the gradients of the summed outputs by each input; NaN where one cannot differentiate by them."""
    if not is_floating(probe.inputs):
        return float("nan")

    def total(inputs: Any) -> jax.Array:
        leaves = jax.tree.leaves(probe.outputs(probe.params, inputs))
        return sum((leaf.sum() for leaf in leaves), jnp.float32(0))

    gradients = run(probe, jax.grad(total), probe.inputs)
    rows = [np.asarray(leaf, np.float64).reshape(len(leaf), -1) for leaf in jax.tree.leaves(gradients)]
    return score(np.concatenate(rows, axis=1))


def score(jacobian: Float[np.ndarray, "b p"]) -> float:
    """-Σ (log(v + 1e-5) + 1 / (v + 1e-5)) over the eigenvalues v of the correlations between rows.

    At most -b, which rows without correlation have. NaN where a row does not vary.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.corrcoef(jacobian)
    if not np.isfinite(correlations).all():
        return float("nan")
    shifted = np.maximum(np.linalg.eigvalsh(correlations), 0) + _JITTER
    return -float(np.sum(np.log(shifted) + 1 / shifted))
