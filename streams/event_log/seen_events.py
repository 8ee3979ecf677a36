"""Which events were met before: exact, in 16 bytes an event."""

from __future__ import annotations

import numpy as np
import xxhash

from streams.events.columns import EventColumns
from streams.events.keys import mixed_bits
from transfer.arrays import U64, Bool

_Level = tuple[U64, U64]


class SeenEvents:
    """The events that were met, each known by its user and its identity there (`streams.events.keys.event_keys`), 64 bits each.

    Kept as sorted arrays, each more than twice as long as the next, so that an event is moved about as often as these are
    many: as in a log-structured merge tree (O'Neil and others 1996).
    """

    def __init__(self) -> None:
        self._levels: list[_Level] = []

    def __len__(self) -> int:
        return sum(len(place) for place, _ in self._levels)

    def first(self, columns: EventColumns) -> Bool:
        """(B,) whether each event is met for the first time; from now on all of them were met."""
        user = _user_hashes(columns)[columns.user]
        place = mixed_bits(user) ^ columns.key  # with the user it gives the key back
        order = np.lexsort((user, place))
        place, user = place[order], user[order]
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = (place[1:] != place[:-1]) | (user[1:] != user[:-1])
        for level in self._levels:
            is_first &= ~_is_in(place, user, level)
        self._add((place[is_first], user[is_first]))
        result = np.empty(len(order), np.bool_)
        result[order] = is_first
        return result

    def _add(self, level: _Level) -> None:
        while self._levels and len(self._levels[-1][0]) <= 2 * len(level[0]):
            before = self._levels.pop()
            place = np.concatenate([before[0], level[0]])
            user = np.concatenate([before[1], level[1]])
            order = np.argsort(place, kind="stable")  # two runs: one merge
            level = place[order], user[order]
        if len(level[0]):
            self._levels.append(level)


def _is_in(place: U64, user: U64, level: _Level) -> Bool:
    """(B,) of sorted places with their users. Two events on one place are rare; of three nobody has heard."""
    places, users = level
    at = np.searchsorted(places, place)
    found = np.zeros(len(place), np.bool_)
    for further in (0, 1):
        row = np.minimum(at + further, len(places) - 1)
        found |= (at + further < len(places)) & (places[row] == place) & (users[row] == user)
    return found


def _user_hashes(columns: EventColumns) -> U64:
    digests = b"".join(xxhash.xxh3_64_digest(user.encode()) for user in columns.users)
    return np.frombuffer(digests, ">u8").astype(np.uint64)
