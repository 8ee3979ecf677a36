"""How far a consumer is in each of its partitions: fetched, handed over, finished, committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from faust.types import TP


class OffsetMarks:
    """Next offsets by partition, of one assignment. A partition has marks once something of it was fetched or placed."""

    def __init__(self) -> None:
        self._passed: dict[TP, int] = {}
        """to fetch, once all that was fetched before is handed over"""
        self._first: dict[TP, int] = {}
        """the first of these"""
        self._handed: dict[TP, int] = {}
        """after the last record handed over"""
        self._before: dict[TP, int] = {}
        """what was reached before that"""
        self._processed: dict[TP, int] = {}
        """after the last batch that was finished"""
        self._confirmed: dict[TP, int] = {}
        """what the broker acknowledged"""

    def __contains__(self, tp: TP) -> bool:
        return tp in self._passed

    def __iter__(self) -> Iterator[TP]:
        return iter(self._passed)

    def place(self, positions: Mapping[TP, int]) -> None:
        """The partitions begin here."""
        self._passed.update(positions)
        self._first.update(positions)

    def see(self, tp: TP, offset: int) -> None:
        """A record was fetched; of a partition that has no marks yet it is the first."""
        self._passed.setdefault(tp, offset)
        self._first.setdefault(tp, offset)

    def hand_over(self, tp: TP, end: int) -> None:
        """Records up to `end` are about to be handed over."""
        self._before[tp] = self.reached(tp)
        self._handed[tp] = end

    def pass_to(self, tp: TP, position: int) -> None:
        """All that was fetched below `position` is handed over."""
        self._passed[tp] = position
        self._first.setdefault(tp, position)

    def finish(self, tp: TP, end: int) -> None:
        """Records up to `end` are durable."""
        self._processed[tp] = max(self._processed.get(tp, 0), end)

    def confirm(self, offsets: Mapping[TP, int]) -> None:
        """The broker has acknowledged these offsets."""
        self._confirmed.update(offsets)

    def reached(self, tp: TP) -> int:
        """The next offset that is still to be processed.

        Where all that was handed over is done, it is behind what leaves no record to process: markers of transactions,
        aborted records, what compaction took.
        """
        passed = self._passed[tp]
        handed, done = self._handed.get(tp), self._processed.get(tp, -1)
        if handed is None or done >= handed:
            return max(passed, done)
        return max(done, self._before[tp])

    def to_fetch(self, tp: TP, start: int) -> int:
        """The next offset that was not handed over, of a partition that begins at `start`."""
        return max(start, self._passed.get(tp, 0), self._handed.get(tp, 0))

    def has_moved(self, tp: TP) -> bool:
        """Whether there is something to commit: where nothing was handed over, a log that begins late is behind us, too."""
        reached = self.reached(tp)
        return tp in self._processed or reached > self._first[tp] or (tp not in self._handed and reached > 0)

    def is_news(self, tp: TP, offset: int) -> bool:
        """Whether the broker has not acknowledged the offset yet."""
        return offset > self._confirmed.get(tp, -1)

    def forget(self, tp: TP) -> None:
        """The partition is no longer ours."""
        for marks in (
            self._passed,
            self._first,
            self._handed,
            self._before,
            self._processed,
            self._confirmed,
        ):
            marks.pop(tp, None)
