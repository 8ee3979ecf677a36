"""How many events may fail in processing before the failure is taken for ours."""

from __future__ import annotations

MOST = 1000
AT_START = 100
EVENTS_PER_FAILURE = 10


class RejectBudget:
    """An allowance for failing events: about one in ten, bursts up to `MOST`.

    Dead letters are for bad events. If nearly everything fails, the program or its surroundings are at fault, and sending
    the stream to the dead letters would be a loss; then the daemon ends instead.
    """

    def __init__(self) -> None:
        self._left = float(AT_START)

    @property
    def left(self) -> int:
        """How many may fail now."""
        return int(self._left)

    def earn(self, events: int) -> None:
        """So many events went through."""
        self._left = min(float(MOST), self._left + events / EVENTS_PER_FAILURE)

    def spend(self, failures: int) -> None:
        """So many failed."""
        self._left -= failures
