"""A bounded write-through cache of users' packed states and watermarks; the store stays the truth."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from streams.watermarks import Watermark


@dataclass(frozen=True, slots=True)
class HeldUser:
    """What a worker has to know of a user to go on: packed state, watermark, the leading scenario ("" if new)."""

    state: bytes
    watermark: Watermark
    leader: str


NOBODY = HeldUser(b"", {}, "")


class UserCache:
    """Least recently used out first. Not thread-safe: one lane owns it."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        """users held at most; a lower one takes effect with the next `put`"""
        self._held: OrderedDict[str, HeldUser] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, user_id: str) -> HeldUser | None:
        """The user as last written, if still held."""
        held = self._held.get(user_id)
        if held is not None:
            self._held.move_to_end(user_id)
        return held

    def put(self, user_id: str, held: HeldUser) -> None:
        """Hold what was just acknowledged by the store."""
        self._held[user_id] = held
        self._held.move_to_end(user_id)
        while len(self._held) > self.capacity:
            self._held.popitem(last=False)

    def clear(self) -> None:
        """Forget everybody: another worker may have written since (after a rebalance)."""
        self._held.clear()
