"""Points of users put in the place of others, whatever writes them at the same time: claim, look, write, look again.

As any writer does it (`sinks.writer`), but for points that need not be understood: a damaged one can be replaced, too.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sinks.collection import Collection, Found, Key, Payload, PointBatch, Where, WriteMode
from sinks.errors import ReplicasDiffer, StoreUnavailable
from sinks.writer import FENCE, HIGHEST, WRITER, Writer

_MOST_TRIES: Final = 60
_LONGEST_WAIT_S: Final = 0.2
_BYTES: Final = 400


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a point: this payload, without vectors; None: nothing stays."""

    payload: Payload | None


Decide = Callable[[Key, Found | None], Change | None]
"""What becomes of a point as it was found, None where there is none; None: it stays. May be called repeatedly."""


class Replacement:
    """Replaces points of one collection of users. Thread-safe."""

    def __init__(self, users: Collection, exclusive: bool) -> None:
        """exclusive: no other process has the store."""
        self._users = users
        # Not the process's own: what the process itself holds of these users is to be refused, too.
        self._writer = Writer()
        self._exclusive = exclusive

    def replace(self, keys: Sequence[Key], decide: Decide) -> None:
        """Return when each of the points is as `decide` says of what it was right before.

        Raises:
            StoreUnavailable: no answer, or others were faster each time; call again.
        """
        self._writer.renew()
        left = list(keys)
        for attempt in range(_MOST_TRIES):
            if attempt:
                time.sleep(random.uniform(0.0, min(0.002 * 2**attempt, _LONGEST_WAIT_S)))
            left = self._some(left, decide)
            if not left:
                return
        raise StoreUnavailable(f"other processes kept writing the same users; tried {_MOST_TRIES} times")

    def _some(self, keys: Sequence[Key], decide: Decide) -> list[Key]:
        """One round; those that are not done."""
        with self._writer.answered():
            found, token = self._claimed(keys)
            changes = {key: change for key in keys if (change := decide(key, found.get(key))) is not None}
            # One of another writer by now is looked at again, also where nothing is to be done.
            lost = [key for key, point in found.items() if not self._holds(point, token)]
            changes = {key: change for key, change in changes.items() if key not in lost}
            self._write(changes, found, token)
            if self._exclusive:
                return []
            return lost + self._unlike(changes)

    def _claimed(self, keys: Sequence[Key]) -> tuple[dict[Key, Found], int]:
        token = self._writer.token
        if self._exclusive:
            return self._read(keys), token
        self._take(keys, token)
        try:
            return self._read(keys), token
        except ReplicasDiffer:
            # As in `sinks.users`: any one may be continued from, under a token that nothing carried before.
            self._writer.renew()
            token = self._writer.token
            self._take(keys, token)
            return self._read(keys, settled=False), token

    def _read(self, keys: Sequence[Key], settled: bool = True) -> dict[Key, Found]:
        return {point.key: point for point in self._users.retrieve(keys, with_vectors=False, settled=settled)}

    def _take(self, keys: Sequence[Key], token: int) -> None:
        mine = {WRITER: token, FENCE: HIGHEST}
        self._users.set_payload(mine, Where(among=keys, other_than={WRITER: token}))

    def _holds(self, point: Found, token: int) -> bool:
        return self._exclusive or point.payload.get(WRITER) == token

    def _write(self, changes: dict[Key, Change], found: dict[Key, Found], token: int) -> None:
        mine = None if self._exclusive else Where(exactly={WRITER: token})
        there = [key for key, change in changes.items() if change.payload is not None and key in found]
        new = [key for key, change in changes.items() if change.payload is not None and key not in found]
        gone = [key for key, change in changes.items() if change.payload is None and key in found]
        for part, where, mode in ((there, mine, WriteMode.UPDATE), (new, None, WriteMode.INSERT)):
            if part:
                payloads = [changes[key].payload or {} for key in part]
                shared = {} if self._exclusive else {WRITER: token, FENCE: HIGHEST}
                sizes = np.full(len(part), _BYTES, np.int64)
                self._users.upsert(PointBatch(part, {}, payloads, sizes, shared), where=where, mode=mode)
        if gone:
            self._users.delete(gone, mine)

    def _unlike(self, changes: dict[Key, Change]) -> list[Key]:
        now = self._read(list(changes))
        return [key for key, change in changes.items() if not _is(now.get(key), change.payload)]


def _is(found: Found | None, payload: Payload | None) -> bool:
    if found is None or payload is None:
        return found is None and payload is None
    # A field that it has beside these, but for those of its writer, is of what it was before.
    return {name: value for name, value in found.payload.items() if name not in (WRITER, FENCE)} == payload
