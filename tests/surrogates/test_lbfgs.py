"""The compiled minimiser against SciPy's, and where functions end or break."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from nas_jax.surrogates.lbfgs import minimise


def _run(value_and_grad, start, max_evaluations=500):
    with jax.enable_x64(True):
        search = jax.jit(lambda start: minimise(value_and_grad, start, max_evaluations=max_evaluations))
        return tuple(map(np.asarray, search(jnp.asarray(start, jnp.float64))))


def _rosenbrock(z):
    return jnp.sum(100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2)


@pytest.mark.parametrize("start", [np.zeros(4), np.array([-1.2, 1.0, -1.2, 1.0]), np.full(10, 2.0)])
def test_a_curved_valley_is_followed_as_by_scipy(start):
    point, value = _run(jax.value_and_grad(_rosenbrock), start)
    expected = minimize(rosen, start, jac=rosen_der, method="L-BFGS-B", options={"ftol": 1e-14})
    np.testing.assert_allclose(point, expected.x, atol=2e-3)
    assert value <= expected.fun + 1e-5


def test_it_stops_at_the_limit_of_evaluations():
    """The first is that at the start itself."""
    point, value = _run(jax.value_and_grad(_rosenbrock), np.zeros(4), max_evaluations=1)
    np.testing.assert_array_equal(point, np.zeros(4))
    assert value == 3.0


def test_points_where_the_function_is_not_finite_are_too_far():
    """z - log(z) is NaN left of zero, and least at one."""
    point, value = _run(jax.value_and_grad(lambda z: jnp.sum(z - jnp.log(z))), np.array([30.0]))
    np.testing.assert_allclose([point[0], value], [1.0, 1.0], atol=1e-3)


def test_a_start_that_is_not_finite_comes_back_with_infinity():
    point, value = _run(jax.value_and_grad(lambda z: jnp.sum(jnp.log(z))), np.array([-1.0]))
    assert point[0] == -1.0
    assert value == np.inf
