"""Stationary kernels: those of GPJax, at unit variance, evaluated for all pairs of points at once.

A kernel that depends on Euclidean distance alone is evaluated as a function of the distances, which come from one
product of matrices. GPJax's own engine maps a kernel over pairs of points: differentiated, that takes five times as
long at 128 points and 30 features. It serves all other kernels.
"""

import functools
from typing import Any

import equinox as eqx
import gpjax as gpx
import jax
import jax.numpy as jnp
from gpjax.kernels.stationary.base import StationaryKernel
from gpjax.parameters import Real
from jaxtyping import Float

from nas_jax.surrogates.distances import product_squared_distances, squared_distances
from nas_jax.surrogates.hyperparameters import Array

_NAMED = {
    "rbf": gpx.kernels.RBF,
    "matern12": gpx.kernels.Matern12,
    "matern32": gpx.kernels.Matern32,
    "matern52": gpx.kernels.Matern52,
    "rational_quadratic": gpx.kernels.RationalQuadratic,
}
_SMOOTH = (gpx.kernels.RBF, gpx.kernels.Matern32, gpx.kernels.Matern52, gpx.kernels.RationalQuadratic)
_RADIAL = (*_SMOOTH, gpx.kernels.Matern12, gpx.kernels.PoweredExponential)


def stationary_kernel(kernel: Any) -> StationaryKernel:
    """GPJax's kernel of that name, or the instance itself.

    Raises:
        ValueError: an unknown name, an object that is no stationary kernel of GPJax, one that looks at some features
            only, or white noise.
    """
    if isinstance(kernel, str) and kernel in _NAMED:
        return _named(kernel)
    if not isinstance(kernel, StationaryKernel):
        raise ValueError(
            f"unknown kernel {kernel!r}; choose from {', '.join(sorted(_NAMED))}, or pass a stationary kernel of GPJax"
        )
    if kernel.active_dims != slice(None):
        raise ValueError("a kernel must look at all features: give it no active_dims, and leave columns out of x")
    if isinstance(kernel, gpx.kernels.White):
        raise ValueError("the kernel must be another than white noise, which is learned beside any kernel")
    return kernel


@functools.cache
def _named(kernel: str) -> StationaryKernel:
    return _NAMED[kernel]()


def num_shapes(kernel: Any) -> int:
    """How many shape parameters are learned: the rational quadratic kernel's alpha, where it is asked for by name."""
    return int(kernel == "rational_quadratic") if isinstance(kernel, str) else 0


def correlation(
    kernel: StationaryKernel,
    lengthscales: Float[Array, " d"],
    shape: Float[Array, " s"],
    x: Float[Array, "n d"],
    z: Float[Array, "m d"],
) -> Float[Array, "n m"]:
    """The kernel between two sets of points, with these lengthscales and unit variance."""
    if shape.shape[0] > 0:
        kernel = type(kernel)(alpha=Real(shape[0]))
    if not isinstance(kernel, _RADIAL):
        return _with_scales(kernel, lengthscales).cross_covariance(x, z)
    # The product leaves equal points a little apart (1e-8), which only a kernel that falls at once can notice.
    # The latter's slope by a square is the steeper the nearer points are. Compiled, equal points may be an ulp apart: a
    # slope of 1e16 there would leave nothing of the gradient but rounding.
    is_smooth = isinstance(kernel, _SMOOTH)
    squares_of, least = (product_squared_distances, 1e-36) if is_smooth else (squared_distances, 1e-24)
    squares = squares_of(x / lengthscales[None, :], z / lengthscales[None, :])
    distances = jnp.sqrt(jnp.maximum(squares, least))  # a square root has no slope at zero
    radial, origin = _with_scales(kernel, jnp.ones(())), jnp.zeros(1)
    return jax.vmap(jax.vmap(lambda distance: radial(distance[None], origin)))(distances)


def _with_scales(kernel: StationaryKernel, lengthscales: Array) -> StationaryKernel:
    """`Real` keeps values as they are, where GPJax's other parameters would transform them."""
    scales = (Real(lengthscales), Real(jnp.ones(())))
    return eqx.tree_at(lambda kernel: (kernel.lengthscale, kernel.variance), kernel, scales)
