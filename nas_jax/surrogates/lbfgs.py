"""Limited-memory BFGS inside a compiled program, so that a search never goes back to Python.

SciPy's L-BFGS-B around the same compiled value and gradient reaches the same densities (within 2e-5 nats), but each
evaluation is a call from Python, and starts that run side by side wait for the interpreter. On two cores whole fits
then take 1.15 times as long with 100 rows and four starts, 1.2 times with 300 rows and two: medians on a busy machine,
where single data sets lie from 0.8 to 1.4 (`experiments/surrogate_speed/optimisers.py`).

A line search is usually a loop inside the loop over iterations, with a second copy of the function to compile. Here a
rejected trial point only shrinks the step and comes round again: one loop, with one evaluation in its body.

Nocedal & Wright, "Numerical Optimization" (2nd ed., 2006): algorithms 7.4 (two-loop recursion) and 3.1
(backtracking); a pair of low curvature is left out, which keeps the inverse Hessian positive definite without
the second Wolfe condition.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

_SUFFICIENT_DECREASE = 1e-4  # c1 of the Armijo condition, eq. 3.4
_SMALLEST_STEP = 1e-10


class _Pairs(NamedTuple):
    """The last moves and the changes of gradient they caused, oldest first; rows of zeros are empty."""

    moves: Float[jax.Array, "h p"]
    changes: Float[jax.Array, "h p"]


class _Loop(NamedTuple):
    point: Float[jax.Array, " p"]
    value: Float[jax.Array, ""]
    gradient: Float[jax.Array, " p"]
    direction: Float[jax.Array, " p"]
    step: Float[jax.Array, ""]
    pairs: _Pairs
    num_evaluations: Int[jax.Array, ""]
    is_done: Bool[jax.Array, ""]


def minimise(
    value_and_grad: Callable[..., tuple[jax.Array, jax.Array]],
    start: Float[jax.Array, " p"],
    *,
    max_evaluations: int | Int[jax.Array, ""],
    gradient_tolerance: float = 1e-3,
    decrease_tolerance: float = 1e-8,
    history: int = 10,
) -> tuple[Float[jax.Array, " p"], Float[jax.Array, ""]]:
    """Finds a local minimum near `start`; to be traced inside a jitted function.

    Stops when no entry of the gradient exceeds `gradient_tolerance`, when an accepted step lowers the value by
    less than `decrease_tolerance` (relative, where the value exceeds one), when no step helps, or after
    `max_evaluations`. A trial point whose value or gradient is not finite counts as too far, so the value is
    finite if that at `start` is; otherwise `start` and infinity come back.

    Returns:
        The point and its value.
    """
    empty = jnp.zeros((history, start.shape[0]), start.dtype)
    # The first evaluation, at the start itself, is a step of no length down from infinity.
    loop = _Loop(
        point=start,
        value=jnp.asarray(jnp.inf, start.dtype),
        gradient=jnp.zeros_like(start),
        direction=jnp.zeros_like(start),
        step=jnp.ones((), start.dtype),
        pairs=_Pairs(empty, empty),
        num_evaluations=jnp.asarray(0),
        is_done=jnp.asarray(False),
    )

    def is_running(loop: _Loop) -> Bool[jax.Array, ""]:
        return ~loop.is_done & (loop.num_evaluations < max_evaluations)

    def advance(loop: _Loop) -> _Loop:
        point = loop.point + loop.step * loop.direction
        value, gradient = value_and_grad(point)
        slope = loop.gradient @ loop.direction
        is_accepted = (
            jnp.isfinite(value)
            & jnp.all(jnp.isfinite(gradient))
            & (value <= loop.value + _SUFFICIENT_DECREASE * loop.step * slope)
        )
        pairs = _push(loop.pairs, point - loop.point, gradient - loop.gradient)
        decrease = (loop.value - value) / jnp.maximum(1.0, jnp.abs(loop.value))
        has_converged = (jnp.max(jnp.abs(gradient)) < gradient_tolerance) | (decrease < decrease_tolerance)
        accepted = _Loop(
            point=point,
            value=value,
            gradient=gradient,
            direction=_descent_direction(pairs, gradient),
            step=_first_step(pairs, gradient),
            pairs=pairs,
            num_evaluations=loop.num_evaluations + 1,
            is_done=has_converged,
        )
        shorter = _interpolate(loop.value, slope, value, loop.step)
        rejected = loop._replace(
            step=shorter,
            num_evaluations=loop.num_evaluations + 1,
            is_done=shorter < _SMALLEST_STEP,
        )
        return jax.tree.map(lambda new, old: jnp.where(is_accepted, new, old), accepted, rejected)

    loop = jax.lax.while_loop(is_running, advance, loop)
    return loop.point, loop.value


def _first_step(pairs: _Pairs, gradient: Float[jax.Array, " p"]) -> Float[jax.Array, ""]:
    """Without a pair the scale of the problem is unknown: then move by at most one in all."""
    return jnp.where(jnp.any(pairs.moves[-1] != 0), 1.0, 1.0 / jnp.maximum(1.0, jnp.linalg.norm(gradient)))


def _interpolate(
    value: Float[jax.Array, ""],
    slope: Float[jax.Array, ""],
    trial_value: Float[jax.Array, ""],
    step: Float[jax.Array, ""],
) -> Float[jax.Array, ""]:
    """The minimum of the parabola through both values, kept between a tenth and a half (eq. 3.58)."""
    curvature = trial_value - value - step * slope
    shorter = -0.5 * slope * step**2 / curvature
    return jnp.where(jnp.isfinite(shorter), jnp.clip(shorter, 0.1 * step, 0.5 * step), 0.1 * step)


def _push(pairs: _Pairs, move: Float[jax.Array, " p"], change: Float[jax.Array, " p"]) -> _Pairs:
    is_convex = move @ change > 1e-10 * (move @ move)
    pushed = jax.tree.map(lambda rows, row: jnp.concatenate([rows[1:], row[None, :]]), pairs, _Pairs(move, change))
    return jax.tree.map(lambda new, old: jnp.where(is_convex, new, old), pushed, pairs)


def _descent_direction(pairs: _Pairs, gradient: Float[jax.Array, " p"]) -> Float[jax.Array, " p"]:
    """Minus the inverse Hessian times the gradient, by the two-loop recursion."""
    curvatures = jnp.sum(pairs.moves * pairs.changes, axis=1)  # [h]
    inverses = jnp.where(curvatures > 0, 1.0 / jnp.where(curvatures > 0, curvatures, 1.0), 0.0)

    def newest_first(vector, pair):
        move, change, inverse = pair
        weight = inverse * (move @ vector)
        return vector - weight * change, weight

    def oldest_first(vector, pair):
        move, change, inverse, weight = pair
        return vector + (weight - inverse * (change @ vector)) * move, None

    rows = (pairs.moves, pairs.changes, inverses)
    vector, weights = jax.lax.scan(newest_first, gradient, rows, reverse=True)
    newest_change = pairs.changes[-1] @ pairs.changes[-1]
    scale = jnp.where(newest_change > 0, curvatures[-1] / jnp.where(newest_change > 0, newest_change, 1.0), 1.0)
    vector, _ = jax.lax.scan(oldest_first, scale * vector, (*rows, weights))
    return -vector
