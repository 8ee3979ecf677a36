"""Users' points over any collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sinks.collection import Collection, Found, Key, PointBatch, Where, WriteMode, last_rows
from sinks.config import StoreConfig
from sinks.errors import PointUnreadable, ReplicasDiffer
from sinks.forgetting import Tombstones
from sinks.points import UserPoints, UserRecord, user_point_id
from sinks.replacement import Replacement
from sinks.tombstones import TOMBSTONE, emptied_record, forgotten_at, is_tombstone
from sinks.user_batch import user_batch, user_record
from sinks.validation import check_length, check_texts
from sinks.versions import moved_if_gone
from sinks.writer import APART, FENCE, FORGOTTEN, HIGHEST, LOST, NEW, NOBODY, WRITER, Claim, Writer


def _nothing() -> None:
    """Nothing has to be done first."""


class Users:
    """The users of one store; see `sinks.point_stores.UserStore`."""

    def __init__(
        self,
        collection: Collection,
        config: StoreConfig,
        dim: int,
        confirm: Callable[[], None] | None = None,
        *,
        writer: Writer | None = None,
        exclusive: bool = False,
        prepare: Callable[[], None] = _nothing,
    ) -> None:
        """confirm: called after what was written was acknowledged; may raise.
        exclusive: whether no other process can have the store, so that no other process has to be asked.
        prepare: called before anything is claimed.
        """
        self._confirm = confirm
        self._collection = collection
        self._config = config
        self._dim = dim
        self._writer = writer or Writer()
        self._exclusive = exclusive
        self._prepare = prepare
        replacement = Replacement(collection, exclusive)
        self.tombstones = Tombstones(collection, replacement, config.batch_points, confirm, prepare)

    def claim(self, user_ids: Sequence[str]) -> Claim:
        """Take users for this process, then read them; see `UserStore.claim`."""
        check_texts(user_ids, "user ids")
        if user_ids:
            self._prepare()
        names = {user_point_id(user_id): user_id for user_id in user_ids}
        keys, token = list(names), self._writer.token
        known: dict[str, UserRecord] = {}
        holds = dict.fromkeys(user_ids, NEW)
        for start in range(0, len(keys), self._config.batch_points):
            part = keys[start : start + self._config.batch_points]
            found, taken = self._claimed(part, token)
            for point in found:
                user_id = names[str(point.key)]
                if forgotten_at(point.payload) is not None:
                    holds[user_id] = FORGOTTEN
                    continue
                record = _known(point, user_id)
                held = self._exclusive or record.writer == taken
                holds[user_id] = taken if held else LOST
                if held:
                    known[user_id] = record
        return Claim([known.get(user) for user in user_ids], [holds[user] for user in user_ids], token)

    def _claimed(self, keys: Sequence[Key], token: int) -> tuple[list[Found], int]:
        """The points after a claim, and the token that they were claimed under."""
        with moved_if_gone(self._confirm), self._writer.answered():
            if self._exclusive:
                return self._collection.retrieve(keys, with_vectors=False), token
            self._take(keys, token)
            try:
                return self._collection.retrieve(keys, with_vectors=False), token
            except ReplicasDiffer:
                # A write that was not answered has reached one replica alone, and its node was back before another
                # one missed it: they differ for good. Any one may be continued from. It has all that was acknowledged,
                # since it has a claim under a token that nothing carried before; what else it has, its marks tell.
                # The write that follows makes the replicas alike.
                self._writer.renew()
                token = self._writer.token
                self._take(keys, token)
                return self._collection.retrieve(keys, with_vectors=False, settled=False), token

    def _take(self, keys: Sequence[Key], token: int) -> None:
        mine = {WRITER: token, FENCE: HIGHEST}
        self._collection.set_payload(mine, Where(among=keys, other_than={WRITER: token}))

    def write(
        self,
        points: UserPoints,
        holds: Sequence[int],
        *,
        token: int | None = None,
    ) -> NDArray[np.bool_]:
        """Write users that are held or new; see `UserStore.write`."""
        batch = user_batch(points, self._dim, self._config.interests)
        check_length(holds, len(batch.keys), "holds")
        held = np.array(holds, np.int64)
        if (held < NEW).any():
            raise ValueError("a user that is LOST or FORGOTTEN can't be written: claim it first")
        rows = last_rows(points.user_ids)
        if rows is None:
            rows = np.arange(len(held))
        taken = np.zeros(len(held), bool)
        with moved_if_gone(self._confirm):
            for hold in np.unique(held[rows]).tolist():
                at = rows[held[rows] == hold]
                whole = len(at) == len(held)
                taken[at] = self._put(batch if whole else batch.take(at), hold, token)
        if self._confirm is not None and len(held):
            self._confirm()
        if len(rows) < len(held):  # an earlier row of a user is as good as its last one
            last = {points.user_ids[row]: taken[row] for row in rows.tolist()}
            taken = np.array([last[user_id] for user_id in points.user_ids])
        return taken

    def _put(self, batch: PointBatch, hold: int, token: int | None) -> NDArray[np.bool_]:
        """Write users of one hold; which of them now are as given."""
        writer = hold
        if hold == NEW:
            writer = self._writer.token if token is None else token
        if not self._exclusive:
            batch = replace(batch, shared={WRITER: writer, FENCE: HIGHEST})
        taken = []
        for part in batch.split(self._config.batch_points, self._config.batch_bytes):
            with self._writer.answered():
                taken.append(self._put_part(part, hold))
        return np.concatenate(taken) if taken else np.empty(0, bool)

    def _put_part(self, part: PointBatch, hold: int) -> NDArray[np.bool_]:
        everything = np.ones(len(part.keys), bool)
        if self._exclusive:
            self._collection.upsert(part)
            return everything
        if hold == NEW:
            self._collection.upsert(part, mode=WriteMode.INSERT)
        else:
            mine = Where(exactly={WRITER: hold})
            self._collection.upsert(part, where=mine, mode=WriteMode.UPDATE)
            if self._collection.count(replace(mine, among=part.keys)) == len(part.keys):
                return everything
        found = {point.key: point.payload for point in self._collection.retrieve(part.keys, False)}
        same = []
        for key, payload in zip(part.keys, part.payloads, strict=True):
            known = found.get(key, {})
            same.append(all(known.get(name) == payload[name] for name in ("state", "watermarks")))
        return np.array(same)

    def check(self, points: UserPoints) -> None:
        """Whether the points may be written; see `UserStore.check`."""
        user_batch(points, self._dim, self._config.interests)

    def read(self, user_ids: Sequence[str], with_vectors: bool = False) -> list[UserRecord | None]:
        """The users in the order of `user_ids`; None for missing ones."""
        check_texts(user_ids, "user ids")
        keys = [user_point_id(user_id) for user_id in dict.fromkeys(user_ids)]
        known: dict[str, UserRecord] = {}
        for start in range(0, len(keys), self._config.batch_points):
            with moved_if_gone(self._confirm):
                found = self._collection.retrieve(
                    keys[start : start + self._config.batch_points], with_vectors
                )
            known.update((record.user_id, record) for record in _records(found, with_vectors))
        return [known.get(user_id) for user_id in user_ids]

    def scan(self, batch: int, with_vectors: bool = False) -> Iterator[list[UserRecord]]:
        """All users, at most `batch` at a time, in order of point ids."""
        if batch < 1:
            raise ValueError("a scan needs batches of at least one user")
        after: Key | None = None
        while True:
            found, after = self._collection.scroll(batch, after, None, with_vectors)
            if records := _records(found, with_vectors):
                yield records
            if after is None:
                return

    def count(self) -> int:
        """How many users there are."""
        others = (Where(exactly={WRITER: APART}), Where(exactly={TOMBSTONE: 1}))
        return self._collection.count(settled=False) - sum(
            self._collection.count(where, settled=False) for where in others
        )

    def delete(self, user_ids: Sequence[str]) -> None:
        """Remove users; absent ones are no error, and what stands for forgotten ones stays."""
        check_texts(user_ids, "user ids")
        keys = [user_point_id(user_id) for user_id in dict.fromkeys(user_ids)]
        for start in range(0, len(keys), self._config.batch_points):
            users = Where(other_than={TOMBSTONE: 1})
            self._collection.delete(keys[start : start + self._config.batch_points], users)


def _records(found: list[Found], with_vectors: bool) -> list[UserRecord]:
    # Points without a user id are not users: nobody asked for them, so they are passed over.
    return [user_record(point, with_vectors) for point in found if "user_id" in point.payload]


def _known(point: Found, user_id: str) -> UserRecord:
    """The record of a point that was asked for by its user.

    Raises:
        PointUnreadable: it is not that user's, and could never be written.
    """
    if is_tombstone(point.payload):
        return emptied_record(user_id, point.payload, int(point.payload.get(WRITER, NOBODY)))
    if point.payload.get("user_id", user_id) != user_id:
        raise PointUnreadable(
            f"the point {point.key} is of another user id, which has the same SHA-1; refuse one of them"
        )
    if "user_id" not in point.payload:
        raise PointUnreadable(
            f"the point {point.key} of the users was not written by Driftline, but a user's point would have this id; "
            "delete it, or choose another store"
        )
    return user_record(point, with_vectors=False)
