"""Runs programs in double precision, on the device that has it: the CPU.

TPUs emulate float64, and the many small factorisations of a fit would wait for a GPU more than compute on it.
"""

import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import jax
from threadpoolctl import ThreadpoolController

_limiting = threading.RLock()


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
    with _one_blas_thread(), ThreadPoolExecutor(min(len(arguments), os.cpu_count() or 1)) as threads:
        return list(threads.map(task, arguments))


def _cpu() -> jax.Device | None:
    platforms = jax.config.jax_platforms  # type: ignore[attr-defined]
    has_cpu = not platforms or "cpu" in platforms.split(",")
    return jax.local_devices(backend="cpu")[0] if has_cpu else None


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """One thread for LAPACK meanwhile.

    Small factorisations do not miss the others. Where another process wants the same cores, threads of OpenBLAS
    that wait for each other make a fit many times as long. Products of matrices are XLA's, with its own threads.

    The limit is the process's: one thread sets it and puts it back, and those that come meanwhile find it set. If
    each set its own, one could put back another's.
    """
    if not _limiting.acquire(blocking=False):
        yield
        return
    try:
        with _blas().limit(limits=1, user_api="blas"):
            yield
    finally:
        _limiting.release()


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries, once
