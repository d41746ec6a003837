"""What a search learns with where nobody chose anything else: said once, for `Bayesopt(space)` and for configs."""

from typing import Any

from nas_jax.build import build
from nas_jax.surrogates.base import Surrogate

# As in a config: what differs from the surrogate's own defaults. Scales are the search's own (`learner.py`).
SURROGATE: dict[str, Any] = {
    "name": "gaussian_process",
    "hyperparameters": "drawn",
    "scale_inputs": False,
}
TARGETS = "ranks"  # see `targets.py`


def recommended_surrogate() -> Surrogate:
    """The surrogate of SURROGATE."""
    return build("nas_jax.surrogates", SURROGATE)
