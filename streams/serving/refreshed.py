"""Values that are read from a store from time to time and held in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

REFRESH_S = 60.0
"""What has changed in the store is seen within this long by a process that continues answering."""

Value = TypeVar("Value")


class Refreshed(Generic[Value]):
    """A value that is read when it is asked for, and again once it is older than `REFRESH_S`. Thread-safe.

    >>> Refreshed(lambda: "read").get()
    'read'
    """

    def __init__(self, read: Callable[[], Value], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[float, Value] | None = None

    def get(self) -> Value:
        """The value as of at most `REFRESH_S` ago."""
        with self._lock:
            if self._held is None or self._clock() - self._held[0] > REFRESH_S:
                self._held = self._clock(), self._read()
            return self._held[1]
