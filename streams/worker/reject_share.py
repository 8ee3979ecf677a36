"""The share of records that are rejected: when most are, the records are hardly at fault."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from streams.errors import DaemonError
from streams.events.event import Reject
from streams.events.reject_summary import RejectSummary


class RejectShare:
    """Watches the latest records, at least `window` of them. Judged by decoding alone: what failed in processing has an
    allowance of its own (`streams.worker.reject_budget`)."""

    def __init__(self, most: float, window: int) -> None:
        self._most = most
        self._window = window
        self._latest: deque[tuple[int, Sequence[Reject]]] = deque()
        self._records = 0
        self._rejected = 0

    def note(self, records: int, rejects: Sequence[Reject]) -> None:
        """So many records were decoded, and these of them rejected.

        Raises:
            DaemonError: too many of the latest records were; the text says why they were.
        """
        self._latest.append((records, rejects))
        self._records += records
        self._rejected += len(rejects)
        while self._records - self._latest[0][0] >= self._window:
            gone, of_them = self._latest.popleft()
            self._records -= gone
            self._rejected -= len(of_them)
        if self._records >= self._window and self._rejected > self._most * self._records:
            raise DaemonError(self._problem())

    def _problem(self) -> str:
        summary = RejectSummary()
        for _, rejects in self._latest:
            summary.add(rejects)
        return (
            f"{self._rejected:,} of the latest {self._records:,} records were rejected, more than daemon.max_reject_share "
            f"({self._most:g}): {'; '.join(summary.lines(5))}. Nothing of the last batch was committed; fix what sends them, "
            "or raise daemon.max_reject_share (1: never stop) to send them all to the dead letters"
        )
