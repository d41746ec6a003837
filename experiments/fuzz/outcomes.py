"""What may come of an input: it is done, or refused in one line. Anything else is a violation."""

import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

from nas_jax.errors import UserError


def outcome_of(action: Callable[[], Any]) -> str:
    """ "done" or "one line"; for anything else a text that begins with "violation"."""
    try:
        action()
    except UserError as error:
        return "one line" if str(error).strip() else "violation: a message that says nothing"
    except Exception as error:
        return f"violation: {type(error).__name__}: {error}, {traceback.extract_tb(error.__traceback__)[-1]}"
    return "done"


class Outcomes:
    """Counts of outcomes, and the inputs that have come to a violation."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []

    def add(self, action: Callable[[], Any], shown: str) -> None:
        """Tries an input, which `shown` describes so that it can be tried again."""
        outcome = outcome_of(action)
        self.counts[outcome.partition(":")[0]] += 1
        if outcome.startswith("violation"):
            self.violations.append(f"{outcome}\n    {shown}")
