"""Sobol indices: which share of a function's variance each of its independent inputs accounts for.

The first-order index of an input is the share that is explained by it alone, Var(E[f | x_i]) / Var(f), the total index
what is left when all others are known, E[Var(f | x_~i)] / Var(f): it counts interactions as well. For an additive
function they are equal, and sum to one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Sobol(NamedTuple):
    """Indices of g inputs and the standard errors of their estimates, zero where they are exact.

    All are zero for a function that never varies.
    """

    first: Float[np.ndarray, " g"]
    total: Float[np.ndarray, " g"]
    first_std_error: Float[np.ndarray, " g"]
    total_std_error: Float[np.ndarray, " g"]


def exact_sobol(values: Float[np.ndarray, "..."]) -> Sobol:
    """The indices of a function whose every value is known.

    Args:
        values: an axis for each input, along it the values of the function for each of the input's choices; all
            combinations are equally likely.
    """
    axes = range(values.ndim)
    variance = values.var()
    zeros = np.zeros(values.ndim)
    if np.ptp(values) == 0:  # where the variance is that of rounding
        return Sobol(zeros, zeros, zeros, zeros)
    first = [values.mean(axis=tuple(set(axes) - {axis})).var() for axis in axes]
    total = [values.var(axis=axis).mean() for axis in axes]
    return Sobol(np.array(first) / variance, np.array(total) / variance, zeros, zeros)


def estimated_sobol(
    function: Callable[[Float[np.ndarray, "n c"]], Float[np.ndarray, " n"]],
    a: Float[np.ndarray, "n c"],
    b: Float[np.ndarray, "n c"],
    columns: Sequence[Int[np.ndarray, " _"]],
) -> Sobol:
    """The indices from two independent samples of the inputs, with n (g + 2) calls of the function.

    Saltelli, Annoni, Azzini, Campolongo, Ratto & Tarantola, "Variance based sensitivity analysis of model output.
    Design and estimator for the total sensitivity index", Computer Physics Communications 181, 2010, table 2: (b) for
    the first order, (f), which is Jansen's, for the total. Standard errors are those of the estimators' means over the
    sample; they leave out that of the variance in the denominator.

    Args:
        function: from points to values, NaN where it has none; these points are left out.
        a, b: the samples.
        columns: the columns of each of the g inputs.
    """
    f_a, f_b = function(a), function(b)
    both = np.concatenate([f_a, f_b])
    centre, variance = np.nanmean(both), np.nanvar(both)
    zeros = np.zeros(len(columns))
    if np.nanmin(both) == np.nanmax(both):
        return Sobol(zeros, zeros, zeros, zeros)
    means = []
    for own in columns:
        mixed = a.copy()
        mixed[:, own] = b[:, own]
        f_mixed = function(mixed)
        first = (f_b - centre) * (f_mixed - f_a)
        total = (f_a - f_mixed) ** 2 / 2
        means.append([*_mean_and_error(first), *_mean_and_error(total)])
    first_mean, first_error, total_mean, total_error = np.array(means).T / variance
    return Sobol(first_mean, total_mean, first_error, total_error)


def _mean_and_error(terms: Float[np.ndarray, " n"]) -> tuple[float, float]:
    known = terms[~np.isnan(terms)]
    return float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known)))
