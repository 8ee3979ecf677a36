"""The limit on what a worker has taken from Kafka and not yet finished."""

from __future__ import annotations

import asyncio
from collections import deque


class InFlightLimit:
    """A limit of this many events and bytes. Belongs to one event loop; first come, first served.

    A batch that is larger than the whole room gets in when nothing else is there.
    """

    def __init__(self, events: int, n_bytes: int) -> None:
        self._limits = (events, n_bytes)
        self.events = 0
        """taken at the moment"""
        self.n_bytes = 0
        self._waiting: deque[tuple[int, int, asyncio.Future[bool]]] = deque()
        self._closed = False

    async def take(self, events: int, n_bytes: int) -> bool:
        """Wait for room and take it; False if `turn_away` or `close` came first."""
        if self._closed:
            return False
        if not self._waiting and self._fits(events, n_bytes):
            self._add(events, n_bytes)
            return True
        admitted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, n_bytes, admitted))
        return await admitted

    def give(self, events: int, n_bytes: int) -> None:
        """Give back what was taken."""
        self._add(-events, -n_bytes)
        while self._waiting:
            events, n_bytes, admitted = self._waiting[0]
            if not admitted.cancelled():
                if not self._fits(events, n_bytes):
                    return
                self._add(events, n_bytes)
                admitted.set_result(True)
            self._waiting.popleft()

    def turn_away(self) -> None:
        """Send away those that wait now."""
        for _, _, admitted in self._waiting:
            if not admitted.cancelled():
                admitted.set_result(False)
        self._waiting.clear()

    def close(self) -> None:
        """Let nobody in any longer."""
        self._closed = True
        self.turn_away()

    def _fits(self, events: int, n_bytes: int) -> bool:
        most_events, most_bytes = self._limits
        fits = self.events + events <= most_events and self.n_bytes + n_bytes <= most_bytes
        return fits or not self.events

    def _add(self, events: int, n_bytes: int) -> None:
        self.events += events
        self.n_bytes += n_bytes
