"""A trial that a GPU had too little memory for: is it too large, or were others there?

It is too large where it had the GPU for itself, and the share of its memory that was meant for it. Else others may have
taken what it needed, and it is tried again, `max_retries` times; when it fails every time, it counts as too large.
"""

import math

import jax

from nas_jax.evaluators.base import Failure, is_of_device_memory
from nas_jax.trial import Trial

_NEARLY = 0.98


def unless_starved(trial: Trial, part: float) -> Trial | Failure:
    """The trial as it has ended, or a failure that may be of others.

    Args:
        part: Of the GPU that is for the trial. Those who have the rest may take memory beside their shares, for
            libraries.
    """
    if trial.failure != "out_of_memory" or not is_of_device_memory(trial.error or ""):
        return trial
    if part == 1 and _has_its_share():
        return trial
    return Failure("out_of_memory", f"{trial.error} (others may have used the GPU)", may_be_of_others=True)


def _has_its_share() -> bool:
    """Whether XLA's allocator has got the memory that it was to have; also where the device does not say."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("pool_bytes", math.inf) >= _NEARLY * stats.get("bytes_limit", 0)
