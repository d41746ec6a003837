"""Which optimiser a fit should use: the compiled loop of `lbfgs.py`, or SciPy's L-BFGS-B around a compiled gradient.

    python experiments/surrogate_speed/optimisers.py --size 100 --starts 4
    python experiments/surrogate_speed/optimisers.py --size 300 --starts 2

Both make whole fits from the same starts, with the same stopping rules and starts side by side in threads. They take
turns on each data set, and the order of a turn alternates. Prints medians of paired ratios, and how far apart the
densities are that they reach.
"""

import argparse
import statistics
import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from data import draw
from methods import STOPPING
from scipy.optimize import minimize

from nas_jax.surrogates import programs
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.hyperparameters import Hyperparameters, hyperparameters, num_coordinates, prior_of
from nas_jax.surrogates.kernels import stationary_kernel
from nas_jax.surrogates.means import mean_function
from nas_jax.surrogates.padding import pad
from nas_jax.surrogates.precision import in_double_precision, side_by_side

SURROGATE = GaussianProcess(kernel="matern52", ard=True, warp="identity")
KERNEL = stationary_kernel(SURROGATE.kernel)
MEAN = mean_function(SURROGATE.mean, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100, help="training rows")
    parser.add_argument("--starts", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=20, help="data sets")
    parser.add_argument("--repeats", type=int, default=3, help="turns on each data set, of which the fastest counts")
    arguments = parser.parse_args()
    fits = {"compiled loop": compiled_loop, "SciPy": scipy_loop}
    for fit in fits.values():
        fit(jax.random.key(0), *draw(arguments.size, arguments.seeds)[:2], arguments.starts)  # compiles
    ratios, differences = [], []
    for seed in range(arguments.seeds):
        data, key = draw(arguments.size, seed), jax.random.key(seed)
        seconds: dict[str, list[float]] = {name: [] for name in fits}
        densities: dict[str, float] = {}
        for turn in range(arguments.repeats):
            for name in sorted(fits, reverse=(seed + turn) % 2 == 1):
                begin = time.perf_counter()
                densities[name] = fits[name](key, data.x, data.y, arguments.starts)
                seconds[name].append(time.perf_counter() - begin)
        ours, theirs = min(seconds["compiled loop"]), min(seconds["SciPy"])
        ratios.append(theirs / ours)
        differences.append(densities["SciPy"] - densities["compiled loop"])
        print(f"seed {seed}: {1e3 * ours:.1f} ms, SciPy {1e3 * theirs:.1f} ms, density {differences[-1]:+.2g}")
    print(f"n = {arguments.size}, {arguments.starts} starts: SciPy takes {_spread(ratios, '.3f')} times as long")
    print(f"log posterior density that SciPy reaches less that of the loop: {_spread(differences, '+.2g')}")


def compiled_loop(key: jax.Array, x: np.ndarray, y: np.ndarray, num_starts: int) -> float:
    """The log posterior density, up to a constant, that a fit as `GaussianProcess.fit` makes it reaches."""
    rows, prior = _problem(x, y)
    search = partial(
        in_double_precision,
        programs.fit,
        observed=programs.Observed(KERNEL, rows, prior, MEAN),
        key=key,
        max_evaluations=np.asarray(STOPPING["maxfun"]),
        num_groups=x.shape[1],
        num_shapes=0,
    )
    ends = side_by_side(search, [np.asarray(number) for number in range(num_starts)])
    cost, found = min(ends, key=lambda end: end[0])
    return _conditioned(found, x, y, cost)


def scipy_loop(key: jax.Array, x: np.ndarray, y: np.ndarray, num_starts: int) -> float:
    """The same with SciPy's loop on the host, which calls one compiled program for each value and gradient."""
    rows, prior = _problem(x, y)

    def search(start: np.ndarray) -> Any:
        return in_double_precision(_minimised, start, rows, prior)

    starts = in_double_precision(_starts, key, num_starts, num_coordinates(prior, x.shape[1], 0))
    cost, end = min(side_by_side(search, list(starts)), key=lambda end: end[0])
    return _conditioned(in_double_precision(_hyperparameters, prior, end), x, y, cost)


def _minimised(start: np.ndarray, rows: Any, prior: Any) -> tuple[float, np.ndarray]:
    problem, structure = jax.tree.flatten(jax.device_put((KERNEL, rows, prior, MEAN)))

    def value_and_gradient(z: np.ndarray) -> tuple[float, np.ndarray]:
        packed = np.asarray(_value_and_gradient(z, problem, structure))
        return packed[0], packed[1:]

    end = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=STOPPING)
    return end.fun, end.x


@partial(jax.jit, static_argnames="structure")
def _value_and_gradient(z: Any, problem: list[Any], structure: Any) -> jax.Array:
    """In one vector, and of a flat problem: what a call from Python costs counts here."""
    observed = programs.Observed(*jax.tree.unflatten(structure, problem))
    value, gradient = jax.value_and_grad(programs.negative_log_posterior)(z, observed, num_shapes=0)
    return jnp.append(value, gradient)


@partial(jax.jit, static_argnums=(1, 2))
def _starts(key: jax.Array, num_starts: int, num: int) -> jax.Array:
    """Those of `programs.fit`."""
    draws = jax.vmap(lambda number: jax.random.normal(jax.random.fold_in(key, number), (num,)))(np.arange(num_starts))
    return draws.at[0].set(0.0)


@jax.jit
def _hyperparameters(prior: Any, z: Any) -> Hyperparameters:
    return hyperparameters(prior, z, 0)


def _problem(x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    prior = prior_of(x.shape[1], np.arange(x.shape[1]), SURROGATE.sharing, SURROGATE.min_noise_std)
    return pad(x, y, np.zeros(len(y))), prior


def _conditioned(found: Hyperparameters, x: np.ndarray, y: np.ndarray, cost: float) -> float:
    SURROGATE.condition_on(
        x,
        y,
        lengthscales=found.lengthscales,
        signal_std=found.signal_variance**0.5,
        noise_std=found.noise_variance**0.5,
    )
    return -float(cost)


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
