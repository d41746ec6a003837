"""What every surrogate is: settings that fit a state, and a state that predicts; and what some surrogates can besides.

`Surrogate` is required. The other protocols are capabilities, which a surrogate has by defining the method. Whoever
wants one asks `capabilities.py`, which also looks inside a surrogate that wraps another one.
"""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Float

State = Any  # a pytree; what it holds is the surrogate's own business


class Posterior(NamedTuple):
    """Marginal predictions at m points, in units of the targets; of the type that `as_result` says."""

    mean: Float[jax.Array, " m"]
    std: Float[jax.Array, " m"]


def as_result(values: Any, dtype: Any) -> jax.Array:
    """An array from NumPy, as float32 or float64: `dtype`, or float64 wherever JAX has it enabled.

    Nothing is compiled, where `jnp.asarray` would compile a copy for each new shape.
    """
    dtype = np.promote_types(dtype, jax.dtypes.canonicalize_dtype(np.float64))
    with jax.enable_x64(bool(dtype == np.float64)):
        return jax.device_put(np.asarray(values, dtype))


def as_posterior(mean: Any, std: Any, dtype: Any = np.float32) -> Posterior:
    """Moments `[m]` from NumPy, of the type of `as_result`; a deviation is never zero, not even after rounding."""
    centre, spread = as_result(mean, dtype), np.asarray(std, np.float64)
    return Posterior(centre, as_result(np.maximum(spread, float(np.finfo(centre.dtype).tiny)), dtype))


@runtime_checkable
class Surrogate(Protocol):
    """A probabilistic regressor. Its settings are frozen; what it learned is the state that `fit` returns."""

    def fit(self, key: jax.Array, x: Any, y: Any) -> State:
        """Learns from `x` `[n, d]` and `y` `[n]`. The same key and data give the same state.

        Raises:
            ValueError: empty data, shapes that do not match, NaN or infinite values.
        """
        ...

    def predict(self, state: State, x_new: Any, *, with_noise: bool = False) -> Posterior:
        """Predicts at `x_new` `[m, d]`: the function itself, or with `with_noise` a new measurement of it."""
        ...


@runtime_checkable
class Sampling(Protocol):
    """Draws whole functions, whose values at several points vary together."""

    def sample(self, state: State, key: jax.Array, x_new: Any, num: int) -> Float[jax.Array, "num m"]:
        """Joint draws of the function at `x_new` `[m, d]`, in units of the targets."""
        ...


@runtime_checkable
class Conditioning(Protocol):
    """Takes measurements, or fantasies, into a state without a new fit."""

    def condition(self, state: State, x: Any, y: Any) -> State:
        """Adds measurements `y` `[k]` at `x` `[k, d]`; hyperparameters stay what they are."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """Describes what it learned."""

    def describe(self, state: State) -> dict[str, Any]:
        """Plain data by name, which serialise as JSON, for diagnostics."""
        ...


@runtime_checkable
class RelevanceDetermining(Protocol):
    """Learns lengthscales: automatic relevance determination where there is one for each feature."""

    def lengthscales(self, state: State) -> Float[np.ndarray, " d"] | None:
        """The lengthscale of each feature, in units of its training range; None where all features share one."""
        ...


@runtime_checkable
class Grouping(Protocol):
    """Makes use of which features belong together."""

    def with_groups(self, labels: Sequence[Hashable]) -> Surrogate:
        """These settings, told a label for each feature; unchanged where they have labels, or no use for them."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """Learns the distance of targets to a bound, if it is given one."""

    @property
    def upper_bound(self) -> float | None:
        """What no target reaches; None where any target will do."""
        ...


class Fitted(NamedTuple):
    """A surrogate and what it learned."""

    surrogate: Surrogate
    state: State


@runtime_checkable
class Wrapping(Protocol):
    """Fits other surrogates and passes on what one of them says, so that it can do what that one can."""

    def unwrap(self, state: State) -> Fitted:
        """The surrogate that answers for this state, and its own state."""
        ...

    def wrap(self, state: State, inner: State) -> State:
        """This state, with `inner` in place of the inner surrogate's."""
        ...

    def wrap_draws(self, state: State, x_new: Any, draws: Float[jax.Array, "num m"]) -> Float[jax.Array, "num m"]:
        """What joint draws of the inner surrogate at `x_new` `[m, d]` become."""
        ...
