"""The settings that all executions in other processes share: what they may be, and how a process keeps to them."""

import resource

from nas_jax.evaluators.base import Failure


def check_limits(num_workers: int | None, time_limit: float | None, memory_gb: float | None, max_retries: int) -> None:
    """Raises ValueError for a number that is too small."""
    for name, value, least in (("num_workers", num_workers, 1), ("max_retries", max_retries, 0)):
        if value is not None and value < least:
            raise ValueError(f"{name} has to be at least {least}, got {value}")
    for name, limit in (("time_limit", time_limit), ("memory_gb", memory_gb)):
        if limit is not None and limit <= 0:
            raise ValueError(f"{name} has to be positive, or None for no limit, got {limit}")


def limit_memory(memory_gb: float | None) -> None:
    """Sets what this process may allocate on the host (Linux): a trial that asks for more gets a MemoryError."""
    if memory_gb is not None:
        limit = int(memory_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def out_of_time(time_limit: float) -> Failure:
    return Failure("time_limit", f"stopped after {time_limit:g} s, the time limit of a trial")
