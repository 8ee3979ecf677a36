"""Locks on users: no two threads of a process work on the same user at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class UserLocks:
    """Locks of users, taken all at once: nobody waits while holding some, so there is no deadlock.

    First come, first served: a thread that waits for a user comes before those that ask for the same user later, also while it
    still waits for others. Memory is that of the users that are held or waited for.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: set[str] = set()
        self._waiting: list[frozenset[str]] = []

    @contextmanager
    def of(self, users: Sequence[str]) -> Iterator[None]:
        """Hold these users; waits as long as one of them is held by another thread."""
        wanted = frozenset(users)
        with self._changed:
            self._waiting.append(wanted)
            try:
                self._changed.wait_for(lambda: self._is_next(wanted))
                self._held |= wanted
            finally:
                # By identity: another thread may wait for an equal set.
                self._waiting = [one for one in self._waiting if one is not wanted]
        try:
            yield
        finally:
            with self._changed:
                self._held -= wanted
                self._changed.notify_all()

    def _is_next(self, wanted: frozenset[str]) -> bool:
        if not self._held.isdisjoint(wanted):
            return False
        for earlier in self._waiting:
            if earlier is wanted:
                return True
            if not earlier.isdisjoint(wanted):
                return False
        return True
