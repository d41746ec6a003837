"""The mean loss of a batch, of outputs, losses and scores that have the shapes which all else relies on."""

from typing import Any

import jax
from jaxtyping import Array, Float

from nas_jax.data.arrays import Batch
from nas_jax.errors import UserError
from nas_jax.tasks.base import Problem, Signed


def mean_loss(problem: Problem, outputs: Any, batch: Batch) -> Float[Array, ""]:
    """Of a batch, in a function that is traced. Shapes are known then, so the checks cost a training nothing.

    Raises:
        UserError: the network gives no vector of the length that the task wants, where it wants one, or the task's
            losses or scores are not one for each example.
    """
    task = problem.task
    num = len(batch[task.input_name])
    if not isinstance(task, Signed) or task.signature.endswith("vector"):
        _check_shape("the network's outputs are", outputs, (num, task.num_outputs(problem.dataset.spec)))
    losses = task.loss(outputs, batch)
    _check_shape(f"{type(task).__name__}.loss gives", losses, (num,))
    _check_shape(f"{type(task).__name__}.scores gives", jax.eval_shape(task.scores, outputs, batch), (num,))
    return losses.mean()


def _check_shape(what: str, array: Any, shape: tuple[int, ...]) -> None:
    found = getattr(array, "shape", None)
    if found != shape:
        listed = "no array" if found is None else f"{list(found)}"
        raise UserError(f"{what} {listed} for a batch of {shape[0]} examples, where {list(shape)} is wanted")
