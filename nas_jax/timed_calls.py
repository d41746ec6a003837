"""How long a call takes: called again and again until enough is known."""

import time
from collections.abc import Callable
from typing import Any

_WARM_SECONDS = 0.1
_MIN_CALLS, _MAX_CALLS = 10, 100


def time_calls(call: Callable[[], Any], max_seconds: float) -> list[float]:
    """The seconds of 10 to 100 calls, of as many as end within `max_seconds`, after some that nobody counts.

    The first call of all may compile.
    """
    call()
    until = time.perf_counter() + _WARM_SECONDS
    while time.perf_counter() < until:
        call()
    seconds: list[float] = []
    while len(seconds) < _MIN_CALLS or (len(seconds) < _MAX_CALLS and sum(seconds) < max_seconds):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds
