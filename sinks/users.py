"""Users' points over any collection."""

from __future__ import annotations

from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import starmap
from typing import overload

import numpy as np
from numpy.typing import NDArray
from pybase64 import b64decode, b64encode_as_string

from sinks.collection import Collection, Found, Key, Payload, PointBatch, VectorRows, Where, last_rows
from sinks.config import StoreConfig
from sinks.errors import PointRefused, PointUnreadable
from sinks.fence import FENCE, Fence, Fences, lane_points, under
from sinks.layout import FUSED, INTERESTS
from sinks.points import UserPoints, UserRecord, user_point_id
from sinks.validation import check_length, check_texts, checked_floats, checked_integers, checked_rows
from sinks.versions import moved_if_gone


@dataclass(frozen=True, slots=True)
class UserPayloads(Sequence[Payload]):
    """Users' payloads, each made when it is asked for: a large write holds the text of few states at a time."""

    rows: list[tuple[str, bytes, Mapping[str, int], Mapping[str, float], float]]
    """user id, state, watermarks, weights and time of update"""

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> Payload: ...
    @overload
    def __getitem__(self, at: slice) -> UserPayloads: ...
    def __getitem__(self, at: int | slice) -> Payload | UserPayloads:
        return UserPayloads(self.rows[at]) if isinstance(at, slice) else _payload(*self.rows[at])

    def __iter__(self) -> Iterator[Payload]:
        return starmap(_payload, self.rows)


def _payload(
    user_id: str,
    state: bytes,
    watermarks: Mapping[str, int],
    weights: Mapping[str, float],
    updated_at: float,
) -> Payload:
    return {
        "user_id": user_id,
        "state": b64encode_as_string(state),
        "watermarks": watermarks,
        "weights": weights,
        "updated_at": updated_at,
    }


class Users:
    """The users of one store; see `sinks.protocols.UserStore`."""

    def __init__(
        self,
        collection: Collection,
        fences: Fences,
        config: StoreConfig,
        dim: int,
        confirm: Callable[[], None] | None = None,
    ) -> None:
        """confirm: called after what was written was acknowledged; may raise."""
        self._confirm = confirm
        self._collection = collection
        self._fences = fences
        self._config = config
        self._dim = dim

    def write(
        self,
        points: UserPoints,
        fence: Fence | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        """Write whole points; see `UserStore.write`."""
        batch = self._batch(points)
        with moved_if_gone(self._confirm):
            if fence is None:
                self._send(batch, before)
            elif batch.keys:
                with self._fences.held(fence) as held:
                    # The lane's own point goes along, so that it is there again where a restored backup lacks it.
                    fenced = replace(batch, shared={FENCE: held.token})
                    self._send(fenced, before, lane_points([held]), where=under(held))
        if self._confirm is not None and batch.keys:
            self._confirm()

    def check(self, points: UserPoints) -> None:
        """Whether the points may be written; see `UserStore.check`."""
        self._batch(points)

    def read(self, user_ids: Sequence[str], with_vectors: bool = False) -> list[UserRecord | None]:
        """The users in the order of `user_ids`; None for those who are not there."""
        check_texts(user_ids, "user ids")
        keys = [user_point_id(user_id) for user_id in dict.fromkeys(user_ids)]
        there: dict[str, UserRecord] = {}
        for start in range(0, len(keys), self._config.batch_points):
            with moved_if_gone(self._confirm):
                found = self._collection.retrieve(
                    keys[start : start + self._config.batch_points], with_vectors
                )
            there.update((record.user_id, record) for record in self._records(found, with_vectors))
        return [there.get(user_id) for user_id in user_ids]

    def scan(self, batch: int, with_vectors: bool = False) -> Iterator[list[UserRecord]]:
        """All users, at most `batch` at a time, in order of point ids."""
        if batch < 1:
            raise ValueError("a scan needs batches of at least one user")
        after: Key | None = None
        while True:
            found, after = self._collection.scroll(batch, after, None, with_vectors)
            if records := self._records(found, with_vectors):
                yield records
            if after is None:
                return

    def count(self) -> int:
        """How many users there are, within the number of lanes."""
        return self._collection.count(settled=False)

    def delete(self, user_ids: Sequence[str]) -> None:
        """Remove users; absent ones are no error."""
        check_texts(user_ids, "user ids")
        keys = [user_point_id(user_id) for user_id in dict.fromkeys(user_ids)]
        for start in range(0, len(keys), self._config.batch_points):
            self._collection.delete(keys[start : start + self._config.batch_points])

    def _send(
        self,
        batch: PointBatch,
        before: Callable[[], None] | None,
        *beside: PointBatch,
        where: Where | None = None,
    ) -> None:
        for part in batch.split(self._config.batch_points, self._config.batch_bytes):
            if before is not None:
                before()
            self._collection.upsert(part, *beside, where=where)

    def _batch(self, points: UserPoints) -> PointBatch:
        n = len(points.user_ids)
        check_texts(points.user_ids, "user ids")
        check_length(points.states, n, "states")
        if not set(map(type, points.states)) <= {bytes}:
            raise PointRefused("states must be bytes; nothing was written")
        check_length(points.watermarks, n, "watermarks")
        check_length(points.weights, n, "weights")
        check_length(points.updated_at, n, "times of update")
        if not np.isfinite(points.updated_at).all():
            raise PointRefused("a time of update is not finite; nothing was written")
        fused = checked_rows(points.fused, n, self._dim, "fused vectors")
        offsets = _checked_offsets(points.interest_offsets, n)
        interests = checked_rows(points.interests, int(offsets[-1]), self._dim, "interests")
        watermarks = checked_integers(points.watermarks, "watermarks")
        weights = checked_floats(points.weights, "weights")

        vectors = {FUSED: VectorRows(fused)}
        rows = np.ones(n, np.int64)
        if self._config.interests:
            vectors[INTERESTS] = VectorRows(interests, offsets)
            rows += np.diff(offsets)
        rows_of = zip(
            points.user_ids, points.states, watermarks, weights, points.updated_at.tolist(), strict=True
        )
        payloads = UserPayloads(list(rows_of))
        sizes = (
            160
            + _lengths(points.user_ids)
            + 4 * _lengths(points.states) // 3
            + 48 * (_lengths(watermarks) + _lengths(weights))
            + 4 * self._dim * rows
        )
        batch = PointBatch(
            [user_point_id(user_id) for user_id in points.user_ids],
            vectors,
            payloads,
            sizes,
        )
        last = last_rows(points.user_ids)
        return batch if last is None else batch.take(last)

    @staticmethod
    def _records(found: list[Found], with_vectors: bool) -> list[UserRecord]:
        # Points without a user id are not users: nobody asked for them, so they are passed over.
        return [_record(point, with_vectors) for point in found if "user_id" in point.payload]


def _record(point: Found, with_vectors: bool) -> UserRecord:
    payload = point.payload
    fused = interests = None
    try:
        if with_vectors:
            fused = point.vectors[FUSED]
            interests = point.vectors.get(INTERESTS, np.empty((0, fused.shape[0]), np.float32))
        return UserRecord(
            user_id=payload["user_id"],
            state=b64decode(payload["state"], validate=True),
            watermarks={source: int(offset) for source, offset in payload["watermarks"].items()},
            weights={name: float(weight) for name, weight in payload["weights"].items()},
            updated_at=float(payload["updated_at"]),
            fused=fused,
            interests=interests,
        )
    except (KeyError, TypeError, ValueError, AttributeError, Base64Error) as error:
        raise PointUnreadable(
            f"the point {point.key} of the users was not written by Driftline ({type(error).__name__}); "
            "delete it, or choose another store"
        ) from error


def _lengths(values: Sequence[Sized]) -> NDArray[np.int64]:
    return np.fromiter(map(len, values), np.int64, len(values))


def _checked_offsets(offsets: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    offsets = np.asarray(offsets, np.int64)
    if offsets.shape != (n + 1,) or offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise PointRefused(f"interest offsets must be {n + 1} ascending numbers from 0; nothing was written")
    return offsets
