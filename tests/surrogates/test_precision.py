"""Programs in double precision, from one thread and from many."""

import time
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np
import threadpoolctl

from nas_jax.surrogates.precision import in_double_precision, side_by_side


def _threads_of_blas():
    return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]


def test_results_are_numpy_float64_and_the_global_setting_stays():
    result = in_double_precision(jnp.sin, np.array([1.0]))
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.float64
    assert jnp.zeros(()).dtype == jnp.float32


def test_side_by_side_keeps_the_order_and_limits_blas_in_every_thread():
    def task(number):
        return number**2, in_double_precision(_threads_of_blas)

    results = side_by_side(task, range(5))
    assert [square for square, _ in results] == [0, 1, 4, 9, 16]
    assert all(set(threads) == {1} for _, threads in results)


def test_threads_that_overlap_put_the_limit_back():
    before = _threads_of_blas()

    def overlap(number):
        for step in range(100):
            in_double_precision(time.sleep, 1e-5 * (number + step % 3))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(overlap, range(8)))
    assert _threads_of_blas() == before
