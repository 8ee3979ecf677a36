"""How far each source is in the store: its next offset, in a point of its own among the users.

It lies in the collection of the users that it speaks of, so that it is copied, restored and lost with them. It is raised
when all users of a flush were acknowledged, in a request of its own: in one with theirs, a condition could let it in and
refuse a user. It is only ever raised, so that a late request or a zombie's can't take it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from sinks.collection import Collection, Found, Key, PointBatch, Where, in_parts
from sinks.errors import PointUnreadable, ReplicasDiffer
from sinks.points import named_id
from sinks.writer import APART, FENCE, HIGHEST, WRITER

_SOURCE, _NEXT = "source", "next"
_AT_A_TIME = 256
_BYTES = 160
_LOOKS = 8
"""Each at any one replica; a node that has one itself looks there only, so that it may take another node's turn."""


class Progress:
    """The progress of one version's users. Thread-safe."""

    def __init__(self, users: Collection) -> None:
        self._users = users

    def read(self, numbers: Iterable[int]) -> dict[int, int]:
        """The next offset of each source; 0 where nothing of it was finished."""
        wanted = list(dict.fromkeys(numbers))
        offsets: dict[int, int] = dict.fromkeys(wanted, 0)
        for part in in_parts(wanted, _AT_A_TIME):
            keys = [_point_id(number) for number in part]
            try:
                points = self._users.retrieve(keys, with_vectors=False)
            except ReplicasDiffer:
                self._make_alike(keys)
                points = self._users.retrieve(keys, with_vectors=False)
            offsets.update(map(_next, points))
        return offsets

    def _make_alike(self, keys: Sequence[Key]) -> None:
        """Where a raise that was not answered has reached one replica alone, let all have it: it was sent when all
        that it speaks of was acknowledged."""
        highest: dict[Key, int] = {}
        for _ in range(_LOOKS):
            for point in self._users.retrieve(keys, with_vectors=False, settled=False):
                highest[point.key] = max(_next(point)[1], highest.get(point.key, 0))
        for key, offset in highest.items():
            # It changes nothing where the one replica that leads is further.
            self._users.set_payload({_NEXT: offset}, Where(among=(key,), at_most={_NEXT: offset}))

    def raise_to(self, next_offsets: Mapping[int, int]) -> None:
        """Raise these sources; one that is as far already, or further, stays as it is."""
        for part in in_parts(list(next_offsets.items()), _AT_A_TIME):
            lower = [
                Where(among=(_point_id(number),), at_most={_NEXT: offset - 1}) for number, offset in part
            ]
            payloads = [
                {_SOURCE: number, _NEXT: offset, WRITER: APART, FENCE: HIGHEST} for number, offset in part
            ]
            points = PointBatch(
                [_point_id(number) for number, _ in part], {}, payloads, np.full(len(part), _BYTES, np.int64)
            )
            self._users.upsert(points, where=Where(any_of=tuple(lower)))

    def pages(self) -> Iterator[dict[int, int]]:
        """All sources that have any, page by page."""
        after: Key | None = None
        apart = Where(exactly={WRITER: APART})
        while True:
            found, after = self._users.scroll(_AT_A_TIME, after, apart, with_vectors=False)
            yield dict(_next(point) for point in found if _SOURCE in point.payload)
            if after is None:
                return


def _next(point: Found) -> tuple[int, int]:
    try:
        return int(point.payload[_SOURCE]), int(point.payload[_NEXT])
    except (KeyError, TypeError, ValueError) as error:
        raise PointUnreadable(
            f"the progress of a source in the point {point.key} can't be read; restore the store from a backup"
        ) from error


def _point_id(number: int) -> str:
    return named_id(f"progress/{number}")
