"""What is computed once at the end of a run, such as the test metrics of the winner, where its trials ran."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

from nas_jax.evaluators.base import Evaluator

T = TypeVar("T")


@runtime_checkable
class Calling(Protocol):
    """What an execution can have beside: it runs a function where trials run."""

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """What the function returns or raises. It has to pickle, and so have its arguments."""
        ...


def call_where_trials_run(evaluator: Evaluator, function: Callable[..., T], *args: Any) -> T:
    """Calls a function where the trials of `evaluator` run, if that can be asked of it, else in this process."""
    return evaluator.call(function, *args) if isinstance(evaluator, Calling) else function(*args)
