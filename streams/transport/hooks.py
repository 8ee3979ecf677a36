"""What the consumer of whole fetches asks its app: where to begin, what to do before offsets move, how much to take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import faust
from faust.types import TP

from streams.transport.fetching import FetchBounds

AskPositions = Callable[[set[TP]], Awaitable[Mapping[TP, int]]]


class HookedApp(faust.App):
    """A Faust app with what the batch consumer asks it.

    `before_revoke`, if set, is awaited before partitions are taken away: finish and mark what is under way, within the
    rebalance time-out. `before_commit`, if set, is awaited before offsets that were marked by then are committed.
    """

    before_revoke: Callable[[], Awaitable[None]] | None = None
    before_commit: Callable[[], Awaitable[None]] | None = None
    positions: AskPositions | None = None
    """Asked at each assignment for the next offset of every assigned partition, in place of the group's committed offsets.
    It may wait as long as it has to; nothing is handed over meanwhile. What it raises ends the app."""
    on_out_of_range: Callable[[TP, int, int], None] | None = None
    """Called with a partition, the offset that was to be read and that the log does not hold, and the one read instead."""
    before_surprising: Callable[[], Awaitable[None]] | None = None
    """Awaited before records are handed over that came after the broker knew nothing of a partition, or it was another one's
    to lead: the place to see whether topics are still the same, and to `hold` those that are not."""
    commit_metadata: str = ""
    """Written beside every committed offset."""
    isolation: str = "read_committed"
    """Or "read_uncommitted": records of open and aborted transactions too."""
    fetch_bounds: FetchBounds = FetchBounds()
    fetch_linger_s: float = 0.0
    """Pause after a fetch of less than a tenth of what it may hold, in which records gather: to hand over a batch costs some
    0.2 ms, however small it is."""
