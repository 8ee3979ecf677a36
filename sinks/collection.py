"""What users, items and blobs need of an engine: one collection of points with named vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Key = int | str
"""Id of a point: an unsigned 64-bit number or the text of a UUID."""
Payload = dict[str, Any]
"""JSON values only."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorRows:
    """One named vector of N points: (R, D) float32 rows.

    Without `offsets` each point has one row (R = N). With them, (N + 1,) int64, it is a multivector: point i
    has the rows offsets[i]:offsets[i + 1]; a point without rows goes without that vector.
    """

    rows: NDArray[np.float32]
    offsets: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PointBatch:
    """N whole points to write."""

    keys: Sequence[Key]
    vectors: dict[str, VectorRows]
    payloads: Sequence[Payload]
    n_bytes: NDArray[np.int64]
    """(N,) about how many bytes each point takes on the way"""
    shared: Payload = field(default_factory=dict)
    """fields that are the same for all, beside those in `payloads`"""

    def slice(self, start: int, stop: int) -> PointBatch:
        """The points start:stop."""
        vectors = {}
        for name, named in self.vectors.items():
            if named.offsets is None:
                vectors[name] = VectorRows(named.rows[start:stop])
            else:
                offsets = named.offsets[start : stop + 1]
                vectors[name] = VectorRows(named.rows[offsets[0] : offsets[-1]], offsets - offsets[0])
        return PointBatch(
            self.keys[start:stop],
            vectors,
            self.payloads[start:stop],
            self.n_bytes[start:stop],
            self.shared,
        )

    def take(self, at: NDArray[np.int64]) -> PointBatch:
        """The points at these positions, in their order."""
        vectors = {}
        for name, named in self.vectors.items():
            if named.offsets is None:
                vectors[name] = VectorRows(named.rows[at])
            else:
                lengths = np.diff(named.offsets)[at]
                offsets = np.concatenate([[0], np.cumsum(lengths)])
                source = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - named.offsets[at], lengths)
                vectors[name] = VectorRows(named.rows[source], offsets)
        positions = at.tolist()
        return PointBatch(
            [self.keys[position] for position in positions],
            vectors,
            [self.payloads[position] for position in positions],
            self.n_bytes[at],
            self.shared,
        )

    def split(self, most_points: int, most_bytes: int) -> Iterator[PointBatch]:
        """Batches within both bounds, in order; a point that is larger than `most_bytes` goes alone."""
        ends = np.cumsum(self.n_bytes)
        start = 0
        while start < len(self.keys):
            before = int(ends[start - 1]) if start else 0
            stop = int(np.searchsorted(ends, before + most_bytes, side="right"))
            stop = min(max(stop, start + 1), start + most_points)
            yield self.slice(start, stop)
            start = stop


def in_parts(values: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    """The values in order, at most this many at a time.

    >>> list(in_parts("abc", 2))
    ['ab', 'c']
    """
    return (values[start : start + most] for start in range(0, len(values), most))


def last_rows(keys: Sequence[Any]) -> NDArray[np.int64] | None:
    """The last row of each distinct key, in order of rows; None if all keys differ already.

    >>> last_rows(["a", "b", "a"])
    array([1, 2])
    """
    last = {key: row for row, key in enumerate(keys)}
    if len(last) == len(keys):
        return None
    return np.sort(np.fromiter(last.values(), np.int64, len(last)))


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A point that the engine gave back."""

    key: Key
    payload: Payload
    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """(D,), or (R, D) for a multivector; empty if not asked for"""
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Bound:
    """One side of a range: of numbers, or of times, which are text in ISO 8601 with a zone."""

    field: str
    comparison: Literal["<", "<=", ">", ">="]
    value: float | str


@dataclass(frozen=True, slots=True)
class Where:
    """A filter; a point matches if all that is said holds. A field that is a list matches where one of its values does."""

    equals: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """each field has one of these texts"""
    without: tuple[Key, ...] = ()
    """the key is none of these"""
    at_most: dict[str, int] = field(default_factory=dict)
    """each field is absent or an integer no greater than this"""
    among: Sequence[Key] | None = None
    """the key is one of these"""
    exactly: dict[str, int] = field(default_factory=dict)
    """each field is this integer"""
    other_than: dict[str, int] = field(default_factory=dict)
    """each field is absent or anything but this integer"""
    any_of: tuple[Where, ...] = ()
    """one of these matches; () says nothing"""
    all_of: tuple[Where, ...] = ()
    """each of these matches"""
    none_of: tuple[Where, ...] = ()
    """none of these matches"""
    bounds: tuple[Bound, ...] = ()
    """each of these fields is within"""
    absent: tuple[str, ...] = ()
    """none of these fields is there, or it is an empty list"""

    @property
    def everything(self) -> bool:
        """Whether every point matches."""
        return self == Where()


class WriteMode(IntEnum):
    """What an upsert does with a point; the numbers are those of Qdrant's UpdateMode."""

    EITHER = 0
    """insert it, or replace the existing one"""
    INSERT = 1
    """leave the existing one alone"""
    UPDATE = 2
    """replace the existing one; never insert"""


class Collection(Protocol):
    """A collection of one engine. All calls are thread-safe."""

    @property
    def name(self) -> str:
        """As the engine knows it, for messages."""
        ...

    def upsert(
        self, *batches: PointBatch, where: Where | None = None, mode: WriteMode = WriteMode.EITHER
    ) -> None:
        """Replace or insert whole points in one request; returns after the engine acknowledged it.

        With `where` only points that match are replaced; whether missing ones are inserted is said by
        `mode` alone. That some were left alone is not reported.
        """
        ...

    def set_payload(self, fields: Payload, where: Where) -> None:
        """Set these fields of all points that match, and leave their other fields as they are."""
        ...

    def delete(self, keys: Sequence[Key], where: Where | None = None) -> None:
        """Remove points; absent ones are no error. With `where` only those of them that match."""
        ...

    def retrieve(self, keys: Sequence[Key], with_vectors: bool, settled: bool = True) -> list[Found]:
        """Those of the points that exist, in any order.

        Not `settled`: nothing that is written depends on it, so where points have replicas, any one may answer.
        """
        ...

    def scroll(
        self, limit: int, after: Key | None, where: Where | None, with_vectors: bool
    ) -> tuple[list[Found], Key | None]:
        """A page in order of keys from `after` on, and where the next one begins (None: it was the last)."""
        ...

    def search(
        self, vector_name: str, vector: NDArray[np.float32], k: int, where: Where | None
    ) -> list[Found]:
        """The `k` nearest points with their scores, best first."""
        ...

    def count(self, where: Where | None = None, settled: bool = True) -> int:
        """How many points there are that match, exactly; `settled` as in `retrieve`."""
        ...
