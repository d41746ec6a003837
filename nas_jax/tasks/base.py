from typing import Any, NamedTuple

Task = Any


class Problem(NamedTuple):
    task: Any
    dataset: Any


make = None
