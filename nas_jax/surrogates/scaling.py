"""Scales inputs to the unit cube, and targets to mean zero and deviation one once warped, whatever the data."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from nas_jax.surrogates.warps import Identity, Warp, warp_of

_FARTHEST = 1e6  # scaled inputs are clipped here: beyond, squares of them could overflow
_FLOAT32_SPREADS = (1e-12, 1e15)  # of targets, so that squares of single deviations fit as well


class Scaling(NamedTuple):
    """From the units of the data to scaled units, learned by `scaling_of`."""

    x_low: np.ndarray  # [d]
    x_range: np.ndarray  # [d], zero for a feature that never varies
    warp: Warp
    y_mean: float  # of warped targets
    y_scale: float  # of warped targets: their standard deviation (dividing by n), or one where they never vary

    def inputs(self, x: Float64[np.ndarray, "m d"]) -> Float64[np.ndarray, "m d"]:
        """The training range becomes [0, 1]; a feature that never varied becomes 0 wherever it is asked for."""
        with np.errstate(over="ignore"):
            scaled = np.divide(x - self.x_low, self.x_range, out=np.zeros_like(x), where=self.x_range > 0)
        return np.clip(scaled, -_FARTHEST, _FARTHEST, out=scaled)

    def targets(self, y: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        return (self.warp.forward(y) - self.y_mean) / self.y_scale

    def noise(self, y: Float64[np.ndarray, " n"], noise_std: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Small deviations of targets, on the scale of `targets`."""
        return noise_std * self.warp.slope(y) / self.y_scale

    def inverse_targets(self, u: Float64[np.ndarray, "*m"]) -> Float64[np.ndarray, "*m"]:
        return self.warp.inverse(u * self.y_scale + self.y_mean)

    def moments(
        self, mean: Float64[np.ndarray, " m"], std: Float64[np.ndarray, " m"]
    ) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
        """Mean and deviation in units of the targets of what is normal on the scale of `targets`."""
        return self.warp.moments(mean * self.y_scale + self.y_mean, std * self.y_scale)

    @property
    def dtype(self) -> Any:
        """What predictions must be, in units of the targets: float32, or float64 where that would not do.

        That is where targets spread by less than 1e-12 or by more than 1e15, are below what float32 holds, or so far
        from zero that float32 would round by more than a thousandth of their spread.
        """
        near = self.inverse_targets(np.array([-1.0, 0.0, 1.0]))
        spread, centre, largest = 0.5 * (near[2] - near[0]), abs(near[1]), np.max(np.abs(near))
        is_ordinary = _FLOAT32_SPREADS[0] <= spread <= _FLOAT32_SPREADS[1]
        is_held = centre == 0 or centre >= float(np.finfo(np.float32).tiny)
        is_fine = float(np.finfo(np.float32).eps) * largest <= 1e-3 * spread
        return np.float32 if is_ordinary and is_held and is_fine else np.float64


def scaling_of(
    x: Float64[np.ndarray, "n d"],
    y: Float64[np.ndarray, " n"],
    warp: str,
    upper_bound: float | None,
    scale_inputs: bool = True,
) -> Scaling:
    """The scaling of training data, of which there is one row or more. Inputs stay as they are without `scale_inputs`.

    Raises:
        ValueError: a target that is not below `upper_bound`; without `scale_inputs`, inputs above 1e6 in magnitude.
    """
    fitted = warp_of(warp, y, upper_bound)
    warped = fitted.forward(y)
    low, high = np.min(x, axis=0), np.max(x, axis=0)
    if not scale_inputs:
        _refuse_far(x)
        low, high = np.zeros_like(low), np.ones_like(high)
    spread = spread_of(warped)
    return Scaling(
        x_low=low,
        x_range=high - low,
        warp=fitted,
        y_mean=float(np.mean(warped) if spread else warped[0]),
        y_scale=spread or 1.0,
    )


def spread_of(y: Float64[np.ndarray, " n"]) -> float:
    """The standard deviation of targets, dividing by n; zero of equal ones, whose mean may be rounded."""
    return 0.0 if np.all(y == y[0]) else float(np.std(y))


def unscaled(x: Float64[np.ndarray, "n d"], y: Float64[np.ndarray, " n"]) -> Scaling:
    """The scaling that leaves these data as they are.

    Raises:
        ValueError: data that cannot be used as they are.
    """
    _refuse_far(x)
    spread = spread_of(y)
    if spread and not _FLOAT32_SPREADS[0] <= spread <= _FLOAT32_SPREADS[1]:
        raise ValueError(f"y must spread by about one where it is not scaled, got a deviation of {spread:g}: scale it")
    return Scaling(np.zeros(x.shape[1]), np.ones(x.shape[1]), Identity(), y_mean=0.0, y_scale=1.0)


def _refuse_far(x: Float64[np.ndarray, "n d"]) -> None:
    if np.max(np.abs(x)) > _FARTHEST:
        raise ValueError(f"x must be at most {_FARTHEST:g} in magnitude where it is not scaled: scale it first")
