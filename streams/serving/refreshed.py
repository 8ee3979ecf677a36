"""Values that are read from a store from time to time and held in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

REFRESH_S = 60.0
"""What has changed in the store is seen within this long by a process that continues answering."""
AHEAD_S = 30.0
"""From this age on a value that is asked for is read anew beside the answers, so that none of them waits for it."""

log = structlog.get_logger(__name__)
Value = TypeVar("Value")


class Refreshed(Generic[Value]):
    """A value that is never older than `REFRESH_S` when it is given out. Thread-safe.

    Where it is asked for again and again, a thread of its own reads it ahead of time; who asks after a pause waits.

    >>> Refreshed(lambda: "read").get()
    'read'
    """

    def __init__(self, read: Callable[[], Value], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._reading = threading.Lock()
        self._ahead: threading.Thread | None = None
        self._held: tuple[float, Value] | None = None

    def get(self) -> Value:
        """The value as of at most `REFRESH_S` ago.

        Raises:
            Whatever reading it raises.
        """
        held, now = self._held, self._clock()
        if held is None or now - held[0] > REFRESH_S:
            return self._read_if_older(REFRESH_S)
        if now - held[0] > AHEAD_S and (self._ahead is None or not self._ahead.is_alive()):
            self._ahead = threading.Thread(target=self._read_ahead, name="read ahead", daemon=True)
            self._ahead.start()
        return held[1]

    def _read_if_older(self, age_s: float) -> Value:
        with self._reading:
            held, now = self._held, self._clock()
            if held is None or now - held[0] > age_s:
                # As of the beginning: what changes meanwhile may be missed.
                self._held = held = now, self._read()
            return held[1]

    def _read_ahead(self) -> None:
        try:
            self._read_if_older(AHEAD_S)
        except Exception as error:  # whoever asks when it is too old reads it and gets the error
            log.debug("not read ahead", error=str(error))
