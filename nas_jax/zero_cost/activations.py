"""The inputs of the activation functions in any function of JAX.

Flax networks call activations as functions (`nn.relu(x)`), under whatever name they imported them, so there is no
module to hook. What they have in common is the trace: `jax.nn` marks most of its activations by name. So the function
is traced, and the trace is run operation by operation. GELU, which JAX does not mark, is not seen.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend import core

# Of `jax.nn`, whose sign of the input says on which side of the bend a unit is.
ACTIVATIONS = frozenset(("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "silu", "hard_silu"))
_WRAPPERS = frozenset(("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "checkpoint", "remat2"))


def visit_activations(visit: Callable[[jax.Array], None], fn: Callable[..., Any], *args: Any) -> None:
    """Calls `visit` with what goes into each activation function while `fn(*args)` runs, in order.

    Activations are those of `ACTIVATIONS`, and any maximum with the constant zero. What happens within loops and
    branches (`lax.scan`, `while_loop`, `cond`) is not seen.
    """
    closed = jax.make_jaxpr(fn)(*args)
    _run(closed.jaxpr, closed.consts, jax.tree.leaves(args), visit)


def _run(
    jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], visit: Callable[[jax.Array], None] | None
) -> list[Any]:
    """The outputs of a trace. Without `visit` nothing is an activation: it is one itself."""
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))
    last_use = {id(variable): place for place, each in enumerate(jaxpr.eqns) for variable in each.invars}
    needed = {id(variable) for variable in jaxpr.outvars}

    def value_of(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else values[variable]

    for place, equation in enumerate(jaxpr.eqns):
        inputs = [value_of(variable) for variable in equation.invars]
        is_activation = visit is not None and (equation.params.get("name") in ACTIVATIONS or _is_relu(equation))
        if visit is not None and is_activation:
            visit(inputs[0])
        if equation.primitive.name in _WRAPPERS:
            inner = next(equation.params[name] for name in ("jaxpr", "call_jaxpr") if name in equation.params)
            within = None if is_activation else visit
            outputs = _run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), inputs, within)
        else:
            bound = equation.primitive.bind(*inputs, **equation.params)
            outputs = bound if equation.primitive.multiple_results else [bound]
        values.update(zip(equation.outvars, outputs, strict=True))
        for variable in equation.invars:  # frees memory: a network has hundreds of such arrays
            if (
                last_use[id(variable)] == place
                and not isinstance(variable, core.Literal)
                and id(variable) not in needed
            ):
                values.pop(variable, None)
    return [value_of(variable) for variable in jaxpr.outvars]


def _is_relu(equation: Any) -> bool:
    """A maximum of an array with zero."""
    second = equation.invars[-1]
    if equation.primitive.name != "max" or not isinstance(second, core.Literal):
        return False
    return getattr(second.val, "ndim", 0) == 0 and bool(second.val == 0)
