"""Values that are made once a process, in whichever thread asks first, while the others wait."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """The values that were made, by their keys. One that could not be made is tried again by the next who asks."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Future[T]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            future = self._values.get(key)
            is_mine = future is None
            if future is None:
                future = self._values[key] = Future()
        if is_mine:
            try:
                future.set_result(make())
            except BaseException as error:
                with self._lock:
                    del self._values[key]
                future.set_exception(error)
        return future.result()
