"""Ctrl-C and SIGTERM while nothing runs that has to be ended in order: before a command begins, and after it is done.

A command's module calls `end_at_once` before it imports anything else, as JAX takes seconds to be imported.
"""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

NUMBERS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = "Interrupted. The same command goes on from here."


def end_at_once() -> None:
    """From now on a signal ends the process with one line and 128 plus its number: 130 for Ctrl-C, 143 for SIGTERM."""
    for number in NUMBERS:
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    # No exception: libraries catch any while they are imported, and make another one of it.
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\n{INTERRUPTED}\n".encode())
    os._exit(128 + number)
