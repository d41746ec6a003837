"""What every surrogate is: settings that fit a state, and a state that predicts."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jaxtyping import Float

State = Any  # a pytree; what it holds is the surrogate's own business


class Posterior(NamedTuple):
    """Marginal predictions at m points, in units of the targets."""

    mean: Float[jax.Array, " m"]
    std: Float[jax.Array, " m"]


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
