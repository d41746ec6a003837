"""Scales inputs to the unit cube and targets to mean zero and deviation one, whatever the data."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

_FARTHEST = 1e6  # scaled inputs are clipped here: beyond, squares of them could overflow


class Scaling(NamedTuple):
    """From the units of the data to scaled units, learned by `scaling_of`."""

    x_low: np.ndarray  # [d]
    x_range: np.ndarray  # [d], zero for a feature that never varies
    y_mean: float
    y_scale: float  # standard deviation (dividing by n), or one for targets that never vary

    def inputs(self, x: Float64[np.ndarray, "m d"]) -> Float64[np.ndarray, "m d"]:
        """The training range becomes [0, 1]; a feature that never varied becomes 0 wherever it is asked for."""
        with np.errstate(over="ignore"):
            scaled = np.divide(x - self.x_low, self.x_range, out=np.zeros_like(x), where=self.x_range > 0)
        return np.clip(scaled, -_FARTHEST, _FARTHEST)

    def targets(self, y: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
        return (y - self.y_mean) / self.y_scale


def scaling_of(x: Float64[np.ndarray, "n d"], y: Float64[np.ndarray, "n"]) -> Scaling:
    """The scaling of training data, of which there is at least one row."""
    low, is_constant = np.min(x, axis=0), bool(np.all(y == y[0]))
    spread = float(np.std(y))
    return Scaling(
        x_low=low,
        x_range=np.max(x, axis=0) - low,
        y_mean=float(y[0] if is_constant else np.mean(y)),  # the mean of equal numbers is rounded
        y_scale=1.0 if is_constant or spread == 0 else spread,  # a spread can underflow
    )
