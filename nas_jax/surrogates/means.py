"""Prior means of a Gaussian process, in scaled units: GPJax's functions, and a linear one that it lacks.

What a mean learns are its arrays, but for those that GPJax marks as not trainable: one vector, in the order of JAX's
leaves, beside the other hyperparameters.
"""

import functools
from typing import Any

import equinox as eqx
import gpjax as gpx
import jax
import jax.numpy as jnp
import numpy as np
from gpjax.mean_functions import AbstractMeanFunction
from jaxtyping import Float
from paramax import NonTrainable

from nas_jax.surrogates.hyperparameters import Array

_NAMES = ("constant", "linear")


class Linear(AbstractMeanFunction):
    """intercept + x @ slopes, which GPJax's functions can be added to or multiplied with."""

    intercept: Float[Array, ""]
    slopes: Float[Array, " d"]

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n 1"]:
        return self.intercept + x @ self.slopes[:, None]


def check_mean(mean: Any) -> None:
    """Raises a ValueError for what is neither a name nor a mean function of GPJax."""
    if not (isinstance(mean, str) and mean in _NAMES) and not isinstance(mean, AbstractMeanFunction):
        raise ValueError(
            f"unknown mean {_described(mean)}; choose from {', '.join(_NAMES)}, or pass a mean function of GPJax"
        )


def mean_function(mean: Any, num_features: int) -> AbstractMeanFunction:
    """The mean function of that name, or the instance itself.

    "constant" is zero, since the targets' own mean is subtracted from them.

    Raises:
        ValueError: an instance that does not map `[n, num_features]` to `[n, 1]`.
    """
    if isinstance(mean, str):
        return _zero() if mean == "constant" else Linear(np.zeros(()), np.zeros(num_features))
    try:
        shape = jax.eval_shape(mean, jax.ShapeDtypeStruct((2, num_features), np.float32)).shape
    except (TypeError, ValueError) as error:
        raise ValueError(f"mean must take {num_features} features: {(str(error).splitlines() or [''])[0]}") from error
    if shape != (2, 1):
        raise ValueError(f"mean must give [n, 1] for x of n rows, got {list(shape)} for two")
    return mean


@functools.cache
def _zero() -> AbstractMeanFunction:
    return gpx.mean_functions.Zero()


def parameters_of(mean: AbstractMeanFunction) -> Float[np.ndarray, " q"]:
    """What the mean function learns, as float64."""
    leaves = [np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(_split(mean)[0])]
    return np.concatenate([np.zeros(0), *leaves])


def with_parameters(mean: AbstractMeanFunction, parameters: Float[Array, " q"]) -> AbstractMeanFunction:
    """The mean function with other values of what it learns."""
    learned, fixed = _split(mean)
    leaves, structure = jax.tree.flatten(learned)
    ends = np.cumsum([leaf.size for leaf in leaves])
    parts = [parameters[end - leaf.size : end].reshape(leaf.shape) for leaf, end in zip(leaves, ends, strict=True)]
    return eqx.combine(jax.tree.unflatten(structure, parts), fixed)


def values_of(
    mean: AbstractMeanFunction, parameters: Float[Array, " q"], x: Float[Array, "n d"]
) -> Float[jax.Array, " n"]:
    """The mean function at points, with these parameters."""
    return with_parameters(mean, jnp.asarray(parameters))(x)[:, 0]


def _described(mean: Any) -> str:
    return repr(mean) if isinstance(mean, str) else f"of type {type(mean).__name__}"


def _split(mean: AbstractMeanFunction) -> tuple[Any, Any]:
    return eqx.partition(mean, eqx.is_inexact_array, is_leaf=lambda node: isinstance(node, NonTrainable))
