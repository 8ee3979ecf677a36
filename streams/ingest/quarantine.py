"""Users whose state can't be read: kept apart, so that nobody else's events wait for them and none of theirs is lost.

A user comes here when its point or its packed state is damaged. Its events are parked among the dead letters, reason
`user_quarantined`, and the partition continues; `driftline repair` makes the state again and applies what is parked. Who is in
quarantine is kept in the store, so that all workers and restarts know: one small blob a user, named by the id of its point,
never by the user's.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from sinks.points import user_point_id
from sinks.protocols import BlobStore
from streams.metrics import Metrics

FOLDER: Final = "quarantine"
FRESH_S: Final = 2.0
"""How old a worker's view of the store's list may be."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Why a user is in quarantine, and since when (unix seconds)."""

    point: str
    why: str
    since: float


class Quarantine:
    """The list, as the store has it. Thread-safe."""

    def __init__(
        self,
        blobs: BlobStore,
        metrics: Metrics | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._blobs = blobs
        self._metrics = metrics
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._users: dict[str, Quarantined] = {}
        self._read_at = float("-inf")

    def __len__(self) -> int:
        return len(self._users)

    def all(self) -> list[Quarantined]:
        """Everybody who is in it now, asked of the store.

        Raises:
            StoreUnavailable: call again.
        """
        self._refresh(0.0)
        return sorted(self._users.values(), key=lambda user: (user.since, user.point))

    def rows(self, users: Sequence[str], max_age_s: float = FRESH_S) -> list[int]:
        """Which of these users are in it, as of at most this long ago.

        Raises:
            StoreUnavailable: call again.
        """
        self._refresh(max_age_s)
        if not self._users:
            return []
        return [row for row, user in enumerate(users) if user_point_id(user) in self._users]

    def put(self, user: str, why: str) -> None:
        """Put a user in it. why: an error's kind, nothing of the user's."""
        point = user_point_id(user)
        entry = Quarantined(point, why, self._now())
        content = json.dumps({"why": entry.why, "since": entry.since}).encode()
        self._blobs.put(f"{FOLDER}/{point}", content)
        with self._lock:
            self._users[point] = entry
            self._tell()
        log.error(
            "a user's state can't be read: in quarantine, its events are parked; repair it with driftline repair",
            point=point,
            error=why,
        )

    def lift(self, point: str) -> None:
        """Let a user go, by the id of its point."""
        self._blobs.put(f"{FOLDER}/{point}", b"")
        with self._lock:
            self._users.pop(point, None)
            self._tell()

    def _refresh(self, max_age_s: float) -> None:
        with self._lock:
            if self._monotonic() - self._read_at < max_age_s:
                return
            read_at = self._monotonic()
            found: dict[str, Quarantined] = {}
            for name, content in self._blobs.folder(FOLDER).items():
                if content:  # an empty one was released
                    point, record = name.rpartition("/")[2], json.loads(content)
                    found[point] = Quarantined(point, str(record["why"]), float(record["since"]))
            self._users, self._read_at = found, read_at
            self._tell()

    def _tell(self) -> None:
        if self._metrics is not None:
            self._metrics.quarantined_users.set(len(self._users))
