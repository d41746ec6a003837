"""The hyperparameters of highest posterior density, by L-BFGS from several starts side by side."""

from functools import partial

import jax
import numpy as np

from nas_jax.surrogates import programs
from nas_jax.surrogates.hyperparameters import Hyperparameters
from nas_jax.surrogates.precision import in_double_precision, side_by_side


def find_mode(
    key: jax.Array, observed: programs.Observed, num_shapes: int, num_starts: int, max_evaluations: int
) -> Hyperparameters:
    """The best end of all searches; one whose density is not finite is left out.

    The first start is the prior's mode, all others are draws of the prior, which differ with `key`.

    Args:
        num_shapes: how many parameters of the kernel's shape there are to find.
        max_evaluations: of the density, for each search.
    """
    search = partial(
        in_double_precision,
        programs.fit,
        observed=observed,
        key=key,
        max_evaluations=np.asarray(max_evaluations),
        num_groups=int(np.max(observed.prior.group)) + 1,
        num_shapes=num_shapes,
    )
    ends = side_by_side(search, [np.asarray(number) for number in range(num_starts)])
    costs = np.array([cost for cost, _ in ends])
    _, found = ends[np.argmin(np.where(np.isfinite(costs), costs, np.inf))]
    return found
