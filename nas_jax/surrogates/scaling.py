"""Scales inputs to the unit cube and targets to mean zero and deviation one, whatever the data.

Targets with an upper bound B, such as accuracies, may be modelled as -log(B - y): halving the error is then a step
of the same size everywhere, a few very bad points do not stretch the scale, and no prediction exceeds B. Normal
there means that B - y is log-normal, whose mean and deviation are known in closed form.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

_LARGEST = 1e30  # in units of the targets; a log-normal's moments can exceed every float32
_FARTHEST = 1e6  # scaled inputs are clipped here: beyond, squares of them could overflow


class Scaling(NamedTuple):
    """From the units of the data to scaled units, learned by `scaling_of`."""

    x_low: np.ndarray  # [d]
    x_range: np.ndarray  # [d], zero for a feature that never varies
    y_mean: float  # of the targets, or of their logarithmic distances to the bound
    y_scale: float  # standard deviation (dividing by n), or one for targets that never vary
    upper_bound: float | None

    def inputs(self, x: Float64[np.ndarray, "m d"]) -> Float64[np.ndarray, "m d"]:
        """The training range becomes [0, 1]; a feature that never varied becomes 0 wherever it is asked for."""
        with np.errstate(over="ignore"):
            scaled = np.divide(x - self.x_low, self.x_range, out=np.zeros_like(x), where=self.x_range > 0)
        return np.clip(scaled, -_FARTHEST, _FARTHEST)

    def targets(self, y: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
        return (_unbounded(y, self.upper_bound) - self.y_mean) / self.y_scale

    def moments(
        self, mean: Float64[np.ndarray, "m"], std: Float64[np.ndarray, "m"]
    ) -> tuple[Float64[np.ndarray, "m"], Float64[np.ndarray, "m"]]:
        """Mean and deviation in units of the targets of what is normal on the scale of `targets`."""
        mean, std = mean * self.y_scale + self.y_mean, std * self.y_scale
        if self.upper_bound is None:
            return mean, std
        with np.errstate(over="ignore"):
            distance = np.minimum(np.exp(-mean + std**2 / 2), _LARGEST)
            return self.upper_bound - distance, np.minimum(distance * np.sqrt(np.expm1(std**2)), _LARGEST)


def _unbounded(y: Float64[np.ndarray, "n"], upper_bound: float | None) -> Float64[np.ndarray, "n"]:
    return y if upper_bound is None else -np.log(upper_bound - y)


def scaling_of(x: Float64[np.ndarray, "n d"], y: Float64[np.ndarray, "n"], upper_bound: float | None) -> Scaling:
    """The scaling of training data, of which there is at least one row.

    Raises:
        ValueError: a target that is not below `upper_bound`.
    """
    if upper_bound is not None and np.max(y) >= upper_bound:
        raise ValueError(f"y must be below upper_bound={upper_bound}, got {np.max(y)}")
    y = _unbounded(y, upper_bound)
    low, is_constant = np.min(x, axis=0), bool(np.all(y == y[0]))
    spread = float(np.std(y))
    return Scaling(
        x_low=low,
        x_range=np.max(x, axis=0) - low,
        y_mean=float(y[0] if is_constant else np.mean(y)),  # the mean of equal numbers is rounded
        y_scale=1.0 if is_constant or spread == 0 else spread,  # a spread can underflow
        upper_bound=upper_bound,
    )
