"""How long a call takes: called again and again until enough is known."""

import time
from collections.abc import Callable
from typing import Any

_WARM_SECONDS = 0.1
_MIN_CALLS = 10
_ENOUGH_CALLS, _ENOUGH_SECONDS = 100, 0.3  # both: calls of microseconds are over before a disturbance is


def time_calls(call: Callable[[], Any], max_seconds: float) -> list[float]:
    """The seconds of 10 calls or more, after some that nobody counts.

    It ends with 100 calls that took 0.3 seconds together, or after `max_seconds`. The first call of all may compile.
    """
    call()
    until = time.perf_counter() + _WARM_SECONDS
    while time.perf_counter() < until:
        call()
    seconds: list[float] = []
    total = 0.0
    while len(seconds) < _MIN_CALLS or (
        total < max_seconds and (len(seconds) < _ENOUGH_CALLS or total < _ENOUGH_SECONDS)
    ):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
        total += seconds[-1]
    return seconds
