"""What is compiled for the training of a network: one program for all of it, or those of its layers."""

from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from flax import linen as nn

from nas_jax.data.arrays import EpochBatches, num_examples
from nas_jax.errors import UserError
from nas_jax.tasks.base import Problem
from nas_jax.train.layered import Staged, compile_layered
from nas_jax.train.parallel.placement import placement_of
from nas_jax.train.recipe import Recipe, make_optimizer
from nas_jax.train.variables import Variables
from nas_jax.train.whole import compile_whole

# On an accelerator a step of layers waits for the host. That of a whole network does not, but has to be compiled. An
# estimate, not measured on one: a call takes some 50 microseconds, a step of ten layers a millisecond; compiling a
# network takes a machine of 16 cores about a second.
_MAX_STEPS_BY_LAYERS = 1000


@runtime_checkable
class Program(Protocol):
    """A network that is compiled for training on one problem; the state is its own."""

    def start(self, seed: int) -> Any:
        """The state before the first step, on the devices."""
        ...

    def run_epoch(self, state: Any, batches: EpochBatches, learning_rates: np.ndarray) -> tuple[Any, float]:
        """Takes a step for each batch, with a learning rate each. Returns the state and the mean loss of an example.

        The state that is passed in is used up.
        """
        ...

    def evaluate(self, state: Any) -> dict[str, float]:
        """The metrics of the validation split."""
        ...

    def variables(self, state: Any) -> Variables:
        """On the host, as the network itself names them."""
        ...


def compile_program(network: nn.Module, problem: Problem, recipe: Recipe, *, is_scanned: bool | None = None) -> Program:
    """Compiles the training of `network`.

    Args:
        is_scanned: Whether one call of a whole network's program takes the steps of an epoch. None leaves it to the
            kind of device.

    Raises:
        UserError: the devices that `recipe` asks for are not there, or cannot divide a batch; or layers are asked for
            of a network that does not name them, or on several devices.
    """
    placement = placement_of(recipe)
    is_cpu = jax.default_backend() == "cpu"
    num_steps = recipe.num_epochs * recipe.steps_per_epoch(num_examples(problem.dataset.train))
    if _is_by_layers(network, recipe, is_worth_it=is_cpu or num_steps <= _MAX_STEPS_BY_LAYERS):
        assert isinstance(network, Staged)
        return compile_layered(network, problem, recipe, placement)
    return compile_whole(
        network, problem, recipe, placement, is_scanned=not is_cpu if is_scanned is None else is_scanned
    )


def _is_by_layers(network: nn.Module, recipe: Recipe, *, is_worth_it: bool) -> bool:
    reason = None
    if recipe.parallel != "none":
        reason = f"parallel={recipe.parallel} trains whole networks"
    elif not make_optimizer(recipe).is_by_arrays:
        reason = f"optimizer={recipe.optimizer} or clip_norm looks at the gradients of all layers at once"
    elif not isinstance(network, Staged):
        reason = f"{type(network).__name__} has no method stages (docs/space.md)"
    if recipe.compilation == "layers" and reason:
        raise UserError(f"compilation=layers of the recipe: {reason}; set compilation=auto")
    return not reason and (recipe.compilation == "layers" or (recipe.compilation == "auto" and is_worth_it))
