"""What rows say, whatever file they are in: 128 bits a row, and running digests of rows in order.

The digest is of the fields as read (ids as text, times as seconds), so that the same rows are recognised in a file that was
renamed, compressed or written in another format, and the first n rows of a file that grew have the digest that the whole
file had. Default actions and scenarios are no part of it, nor are columns that are not read.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xxhash

from streams.events.keys import mixed_bits
from transfer.arrays import F64, I32, U64

SKETCH: Final = 64
"""Smallest row digests kept of a log: enough to tell an overlap of a few percent."""
_SEEDS: Final = (0, 0x5DEECE66D)

Digests = U64
"""(B, 2) one a row"""


def row_digests(time: F64, fields: Sequence[tuple[I32, Sequence[str]]]) -> Digests:
    """(B, 2) uint64 of B rows.

    Args:
        time: (B,) unix seconds, NaN where there is none.
        fields: codes (B,), -1 = absent, and their table, for each field in a fixed order; "" counts as absent.

    >>> import numpy as np
    >>> rows = row_digests(np.array([1.0, 1.0]), [(np.array([0, 0], np.int32), ["u"])])
    >>> rows.shape, bool((rows[0] == rows[1]).all())
    ((2, 2), True)
    """
    moments = np.where(np.isnan(time), np.nan, time + 0.0).view(np.uint64)  # one NaN, one zero
    lanes = []
    for seed in _SEEDS:
        state = mixed_bits(moments ^ np.uint64(seed))
        for codes, table in fields:
            state = mixed_bits(state ^ _hashes(table, seed)[codes])
        lanes.append(state)
    return np.stack(lanes, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """The `SKETCH` smallest distinct row digests of a log, which tell how much two logs have in common."""

    smallest: U64
    """(K,) uint64, ascending; all there are where a log has fewer"""

    @classmethod
    def none(cls) -> Sketch:
        """Of no rows."""
        return cls(np.empty(0, np.uint64))

    def with_rows(self, digests: Digests) -> Sketch:
        """With these rows, (B, 2), too."""
        lane = digests[:, 0]
        if len(self.smallest) == SKETCH:
            lane = lane[lane < self.smallest[-1]]
            if not len(lane):
                return self
        return Sketch(np.unique(np.concatenate([self.smallest, lane]))[:SKETCH])

    def share_in(self, other: Sketch) -> float:
        """Estimated share of the distinct rows of either log that are in both (Broder 1997, bottom-k)."""
        union = np.unique(np.concatenate([self.smallest, other.smallest]))[:SKETCH]
        both = np.isin(union, self.smallest) & np.isin(union, other.smallest)
        return float(both.mean()) if len(union) else 0.0

    def text(self) -> str:
        """For JSON."""
        return base64.b64encode(self.smallest.astype("<u8").tobytes()).decode()

    @classmethod
    def of_text(cls, text: str) -> Sketch:
        """What `text` gave."""
        return cls(np.frombuffer(base64.b64decode(text), "<u8").astype(np.uint64))


class RunningDigest:
    """Digest of rows one after the other, from the row `start` of a file on; where batches end makes no difference.

    >>> a, b = RunningDigest(), RunningDigest()
    >>> rows = np.arange(10, dtype=np.uint64).reshape(5, 2)
    >>> a.add(rows)
    >>> b.add(rows[:2]); b.add(rows[2:])
    >>> a.hex() == b.hex(), a.rows
    (True, 5)
    """

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.rows = 0
        self.sketch = Sketch.none()
        self._hash = xxhash.xxh3_128()

    def add(self, digests: Digests) -> None:
        """The next rows, (B, 2)."""
        self._hash.update(np.ascontiguousarray(digests, "<u8").tobytes())
        self.rows += len(digests)
        self.sketch = self.sketch.with_rows(digests)

    def hex(self) -> str:
        """Of the rows so far."""
        return self._hash.hexdigest()


def digests_at(
    batches: Iterable[Digests], states: dict[int, set[str]], most_parts: int = 64
) -> tuple[list[KnownRows], list[RunningDigest]]:
    """Which known rows a file begins with, one known run of rows after the other.

    Args:
        batches: the file's row digests, in order.
        states: number of rows -> digests of the known logs that have, or once had, so many rows.
        most_parts: so many parts are looked for in one file.

    Returns the known parts found, and the running digest at the file's end from its first row and from the end of each
    part on.
    """
    ends = np.array(sorted(states), np.int64)
    parts: list[KnownRows] = []
    running = [RunningDigest()]
    starts = {0}
    row = 0
    for digests in batches:
        last = row + len(digests)
        position = 0
        while position < len(running):  # grows on the way
            one = running[position]
            position += 1
            at = one.start + one.rows
            for size in ends[(ends > at - one.start) & (ends <= last - one.start)].tolist():
                one.add(digests[at - row : one.start + size - row])
                at = one.start + size
                digest = one.hex()
                if digest in states[size]:
                    parts.append(KnownRows(one.start, at, digest))
                    if at not in starts and len(starts) < most_parts:
                        starts.add(at)
                        running.append(RunningDigest(at))
            one.add(digests[at - row :])
        row = last
    return parts, running


@dataclass(frozen=True, slots=True)
class KnownRows:
    """Rows of a file, from `start` to before `end`, that are all the rows of a known log; `digest` is of them."""

    start: int
    end: int
    digest: str


def _hashes(table: Sequence[str], seed: int) -> U64:
    """(T + 1,) of each string, 0 for "" and for the code -1."""
    digests = b"".join(
        [xxhash.xxh3_64_digest(value.encode(), seed=seed) if value else bytes(8) for value in table]
    )
    return np.frombuffer(digests + bytes(8), ">u8").astype(np.uint64)
