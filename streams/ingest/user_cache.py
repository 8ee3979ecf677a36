"""A bounded write-through cache of users' packed states and watermarks; the store stays the truth."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streams.events.watermarks import Watermark
from streams.ingest.seen_partitions import NO_PARTITION


@dataclass(frozen=True, slots=True)
class HeldUser:
    """What a process has to know of a user to continue."""

    state: bytes
    """packed; b"" for none"""
    watermark: Watermark
    leader: str
    """the leading scenario, "" if new"""
    hold: int
    """the token under which the user was read or written; see `sinks.point_stores.UserStore.claim`"""
    partition: int = NO_PARTITION
    """the partition number that its events came by while it was held, or SEVERAL_PARTITIONS"""


class UserCache:
    """The users of a process, least recently used out first. Thread-safe.

    A user is here as it was last acknowledged by the store, and under the token that it then had there: should another
    process have claimed it since, a write under that token is refused, and the user has to be forgotten.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._held: OrderedDict[str, HeldUser] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, user_ids: Sequence[str]) -> list[HeldUser | None]:
        """The users as last written, None where one is not held."""
        with self._lock:
            found = [self._held.get(user_id) for user_id in user_ids]
            for user_id, held in zip(user_ids, found, strict=True):
                if held is not None:
                    self._held.move_to_end(user_id)
        return found

    def put(self, users: Iterable[tuple[str, HeldUser]]) -> None:
        """Hold what was just acknowledged by the store."""
        with self._lock:
            for user_id, held in users:
                self._held[user_id] = held
                self._held.move_to_end(user_id)
            while len(self._held) > self._capacity:
                self._held.popitem(last=False)

    def forget(self, user_ids: Iterable[str]) -> None:
        """Let go of users whose point in the store may be another than what is held."""
        with self._lock:
            for user_id in user_ids:
                self._held.pop(user_id, None)
