"""Users taken out of one version of a store, and let in again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from sinks.collection import Collection, Found, Key, Payload, Where, in_parts
from sinks.errors import PointUnreadable
from sinks.points import UserRecord, user_point_id
from sinks.replacement import Change, Decide, Replacement
from sinks.tombstones import (
    SINCE,
    TOMBSTONE,
    as_micros,
    emptied,
    forgotten,
    forgotten_at,
    is_tombstone,
)
from sinks.user_batch import user_record
from sinks.validation import check_texts
from sinks.versions import moved_if_gone
from sinks.writer import FENCE, WRITER


class Tombstones:
    """See `sinks.point_stores.TombstoneStore`."""

    def __init__(
        self,
        users: Collection,
        replacement: Replacement,
        at_a_time: int,
        confirm: Callable[[], None] | None,
        prepare: Callable[[], None],
    ) -> None:
        """confirm: called after what was written was acknowledged; may raise. prepare: called before anything is claimed."""
        self._users = users
        self._replacement = replacement
        self._at_a_time = at_a_time
        self._confirm = confirm
        self._prepare = prepare

    def forget(self, user_ids: Sequence[str], at: float) -> int:
        """Put tombstones in the place of users; see `TombstoneStore.forget`."""
        were: set[Key] = set()

        def decide(key: Key, found: Found | None) -> Change | None:
            if found is not None and not is_tombstone(found.payload):
                were.add(key)
            before = None if found is None else forgotten_at(found.payload)
            if before is not None and before >= as_micros(at):
                return None
            return Change(forgotten(max(as_micros(at), _since(found))))

        self._replace(user_ids, decide)
        return len(were)

    def consent(self, user_ids: Sequence[str], at: float) -> list[bool]:
        """Let forgotten users begin again; see `TombstoneStore.consent`."""
        freed: set[Key] = set()

        def decide(key: Key, found: Found | None) -> Change | None:
            before = None if found is None else forgotten_at(found.payload)
            if before is None or before >= as_micros(at):
                return None
            freed.add(key)
            return Change(emptied({SINCE: as_micros(at)}))

        self._replace(user_ids, decide)
        return [user_point_id(user_id) in freed for user_id in user_ids]

    def empty(self, user_ids: Sequence[str]) -> None:
        """Take users out, whatever their points hold; see `TombstoneStore.empty`."""

        def decide(key: Key, found: Found | None) -> Change | None:
            if found is None or is_tombstone(found.payload):
                return None
            since = _since(found)
            return Change(emptied({SINCE: since}) if since else None)

        self._replace(user_ids, decide)

    def drop_idle(self, user_ids: Sequence[str], before: float, finished: Callable[[str, int], bool]) -> int:
        """Take out users that have not acted for long; see `TombstoneStore.drop_idle`."""
        gone: set[Key] = set()

        def decide(key: Key, found: Found | None) -> Change | None:
            if found is None or is_tombstone(found.payload):
                return None
            try:
                record = user_record(found, with_vectors=False)
            except PointUnreadable:  # when it acted last can't be told
                return None
            if record.updated_at >= before:
                gone.discard(key)
                return None
            gone.add(key)
            marks = {name: mark for name, mark in record.watermarks.items() if not finished(name, mark)}
            return Change(emptied(marks) if marks else None)

        self._replace(user_ids, decide)
        return len(gone)

    def readable(self, batch: int) -> Iterator[list[UserRecord]]:
        """All users whose points can be understood, without vectors, at most `batch` at a time."""
        after: Key | None = None
        while True:
            found, after = self._users.scroll(batch, after, None, False)
            page: list[UserRecord] = []
            for point in found:
                if "user_id" in point.payload:
                    with suppress(PointUnreadable):
                        page.append(user_record(point, with_vectors=False))
            if page:
                yield page
            if after is None:
                return

    def pages(self, batch: int) -> Iterator[dict[str, Payload]]:
        """What stands for users that were forgotten or dropped, by point id, at most `batch` at a time."""
        after: Key | None = None
        while True:
            found, after = self._users.scroll(batch, after, Where(exactly={TOMBSTONE: 1}), False)
            if found:
                yield {str(point.key): _plain(point.payload) for point in found}
            if after is None:
                return

    def adopt(self, tombstones: Mapping[str, Payload]) -> int:
        """Let these points be as they are in another version; how many were not."""
        changed: set[Key] = set()

        def decide(key: Key, found: Found | None) -> Change | None:
            wanted = tombstones[str(key)]
            if found is not None and _plain(found.payload) == wanted:
                return None
            changed.add(key)
            return Change(wanted)

        self._replace_points(list(tombstones), decide)
        return len(changed)

    def _replace(self, user_ids: Sequence[str], decide: Decide) -> None:
        check_texts(user_ids, "user ids")
        self._replace_points([user_point_id(user_id) for user_id in dict.fromkeys(user_ids)], decide)

    def _replace_points(self, keys: Sequence[Key], decide: Decide) -> None:
        if not keys:
            return
        self._prepare()
        for part in in_parts(keys, self._at_a_time):
            with moved_if_gone(self._confirm):
                self._replacement.replace(part, decide)
        if self._confirm is not None:
            self._confirm()


def _since(found: Found | None) -> int:
    """The SINCE of a point, 0 where it has none; also of one that can't be understood otherwise."""
    marks = None if found is None else found.payload.get("watermarks")
    since = marks.get(SINCE) if isinstance(marks, dict) else None
    return since if isinstance(since, int) else 0


def _plain(payload: Payload) -> Payload:
    return {name: value for name, value in payload.items() if name not in (WRITER, FENCE)}
