"""Padding rows that a Gaussian process with a stationary kernel cannot notice.

A few padded sizes mean a few compilations while a data set grows. A padding row sits far away in a coordinate of
its own, with target zero: its covariance with every other row underflows to an exact zero.
"""

import numpy as np
from jaxtyping import Float64

_FAR = 1e6  # in lengthscales, if that of the extra coordinate is one


def padded_size(num_rows: int, step: int) -> int:
    """The next multiple of `step`, or above four times `step` of a larger multiple that adds at most a third."""
    coarse = 2 ** max(0, (num_rows - 1).bit_length() - 3)
    multiple = max(step, -(-coarse // step) * step)
    return -(-num_rows // multiple) * multiple


def pad(
    x: Float64[np.ndarray, "n d"], y: Float64[np.ndarray, "n"], num_rows: int
) -> tuple[Float64[np.ndarray, "p d+1"], Float64[np.ndarray, "p"]]:
    """Appends the extra coordinate to `x`, and rows to both until there are `num_rows`."""
    num_padding = num_rows - len(y)
    apart = np.concatenate([np.zeros(len(y)), _FAR * np.arange(1, num_padding + 1)])
    return np.column_stack([np.pad(x, ((0, num_padding), (0, 0))), apart]), np.pad(y, (0, num_padding))
