"""Runs programs in double precision, on the device that has it: the CPU.

TPUs emulate float64, and the many small factorisations of a fit would wait for a GPU more than compute on it.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from threadpoolctl import ThreadpoolController


def in_double_precision(program: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a jitted program and returns its results as NumPy arrays.

    In float64 on the CPU, or on the default device where `JAX_PLATFORMS` leaves the CPU out.
    """
    with jax.enable_x64(True), jax.default_device(_cpu()), _one_blas_thread():
        return jax.device_get(program(*args, **kwargs))


def side_by_side(task: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
    """`task` of each argument, in as many threads as there are cores: compiled programs run at the same time."""
    if len(arguments) < 2:
        return [task(argument) for argument in arguments]
    with ThreadPoolExecutor(min(len(arguments), os.cpu_count() or 1)) as threads:
        return list(threads.map(task, arguments))


def _cpu() -> jax.Device | None:
    platforms = jax.config.jax_platforms  # type: ignore[attr-defined]
    has_cpu = not platforms or "cpu" in platforms.split(",")
    return jax.local_devices(backend="cpu")[0] if has_cpu else None


class _BlasUsers:
    """How many calls are under way, in all threads, and the limit that they share."""

    lock = threading.Lock()
    count = 0
    limit: Any = None


@contextlib.contextmanager
def _one_blas_thread() -> Iterator[None]:
    """One thread for LAPACK until the last of all concurrent calls is done.

    Small factorisations do not miss the others. Where another process wants the same cores, threads of OpenBLAS
    that wait for each other make a fit ten times as long. Products of matrices are XLA's, with its own threads.
    """
    with _BlasUsers.lock:
        if _BlasUsers.count == 0:
            _BlasUsers.limit = _blas().limit(limits=1, user_api="blas")
        _BlasUsers.count += 1
    try:
        yield
    finally:
        with _BlasUsers.lock:
            _BlasUsers.count -= 1
            if _BlasUsers.count == 0:
                _BlasUsers.limit.restore_original_limits()


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries, once
