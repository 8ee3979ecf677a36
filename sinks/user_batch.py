"""Users' points as engines take them and give them back."""

from __future__ import annotations

from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import starmap
from typing import overload

import numpy as np
from numpy.typing import NDArray
from pybase64 import b64decode, b64encode_as_string

from sinks.collection import Found, Payload, PointBatch, VectorRows
from sinks.errors import PointRefused, PointUnreadable
from sinks.layout import FUSED, INTERESTS
from sinks.points import UserPoints, UserRecord, user_point_id
from sinks.validation import check_length, check_texts, checked_floats, checked_integers, checked_rows
from sinks.writer import NOBODY, WRITER


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


def user_batch(points: UserPoints, dim: int, interests: bool) -> PointBatch:
    """The points as an engine takes them, all rows of them; interests: whether these are kept.

    Raises:
        PointRefused: naming what is wrong with which row.
    """
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
    fused = checked_rows(points.fused, n, dim, "fused vectors")
    offsets = _checked_offsets(points.interest_offsets, n)
    rows_of_interests = checked_rows(points.interests, int(offsets[-1]), dim, "interests")
    watermarks = checked_integers(points.watermarks, "watermarks")
    weights = checked_floats(points.weights, "weights")

    vectors = {FUSED: VectorRows(fused)}
    rows = np.ones(n, np.int64)
    if interests:
        vectors[INTERESTS] = VectorRows(rows_of_interests, offsets)
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
        + 4 * dim * rows
    )
    return PointBatch([user_point_id(user_id) for user_id in points.user_ids], vectors, payloads, sizes)


def user_record(point: Found, with_vectors: bool) -> UserRecord:
    """The user that an engine gave back.

    Raises:
        PointUnreadable: it is none that Driftline wrote.
    """
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
            writer=int(payload.get(WRITER, NOBODY)),
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
