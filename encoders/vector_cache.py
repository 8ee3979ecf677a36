"""Item vectors in memory: a bounded matrix from item key to row."""

import threading
from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np

from encoders.arrays import F32, I64, U64, Bool

_FIRST_ROWS = 1024
# Evicted together: one pass over the stamps is paid once for so many rows.
_EVICT_SHARE = 16


class ItemVectorCache:
    """Vectors of up to `capacity` items, least recently used out first; (N, dim) float32, keys uint64.

    An entry is confirmed (the vector of the item's content) or provisional (of an item that no catalogue
    has named so far). A provisional one is reported as unknown again `recheck_s` after it was put, so that
    content written meanwhile by another worker is noticed. Thread-safe; what it returns are copies.
    """

    def __init__(self, dim: int, capacity: int, recheck_s: float = 60.0) -> None:
        if dim < 1 or capacity < 1:
            raise ValueError(f"dim {dim} and capacity {capacity} must be at least 1")
        self._capacity = capacity
        self._recheck_s = recheck_s
        self._lock = threading.Lock()
        self._row_of: dict[int, int] = {}
        self._free: list[int] = []
        self._tick = 0
        rows = min(capacity, _FIRST_ROWS)
        self._vectors = np.zeros((rows, dim), dtype=np.float32)
        self._keys = np.zeros(rows, dtype=np.uint64)
        self._stamps = np.zeros(rows, dtype=np.int64)
        self._recheck_at = np.zeros(rows, dtype=np.float64)
        self._free_rows(range(rows))

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def dim(self) -> int:
        """Columns of the vectors."""
        return int(self._vectors.shape[1])

    @property
    def capacity(self) -> int:
        """Most items held at once."""
        return self._capacity

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays as grown so far."""
        return self._vectors.nbytes + self._keys.nbytes + self._stamps.nbytes + self._recheck_at.nbytes

    def get(self, keys: Sequence[int] | U64, now: float) -> tuple[F32, Bool]:
        """keys (N) to vectors (N, dim) float32 and known (N,) bool; rows of unknown keys are zeros."""
        wanted = _plain(keys)
        with self._lock:
            rows = self._rows(wanted)
            known = rows >= 0
            known &= self._recheck_at[rows] > now
            found = rows[known]
            self._tick += 1
            self._stamps[found] = self._tick
            vectors = np.zeros((len(wanted), self.dim), dtype=np.float32)
            vectors[known] = self._vectors[found]
        return vectors, known

    def put(
        self,
        keys: Sequence[int] | U64,
        vectors: F32,
        now: float,
        provisional: bool = False,
    ) -> None:
        """Holds vectors (N, dim) float32 for keys (N): of equal keys the last, of too many the last ones.

        A provisional vector never replaces a confirmed one.

        Raises:
            ValueError: a key is 0, or the shapes don't fit.
        """
        given = _plain(keys)
        if vectors.shape != (len(given), self.dim):
            raise ValueError(f"vectors {vectors.shape} don't fit {len(given)} keys of dim {self.dim}")
        if 0 in given:
            raise ValueError("key 0 means no item and has no vector")
        last = {key: position for position, key in enumerate(given)}
        with self._lock:
            if provisional:
                last = {key: position for key, position in last.items() if not self._confirmed(key)}
            if len(last) > self._capacity:
                last = dict(list(last.items())[-self._capacity :])
            self._tick += 1
            held = self._rows(list(last))
            # Stamped before room is made, so that what is about to be written isn't what goes.
            self._stamps[held[held >= 0]] = self._tick
            self._make_room(int((held < 0).sum()))
            for position, key in enumerate(last):
                if held[position] < 0:
                    held[position] = self._row_of[key] = self._free.pop()
            self._keys[held] = np.fromiter(last, dtype=np.uint64, count=len(last))
            self._vectors[held] = vectors[np.fromiter(last.values(), dtype=np.int64, count=len(last))]
            self._stamps[held] = self._tick
            self._recheck_at[held] = now + self._recheck_s if provisional else np.inf

    def discard(self, keys: Iterable[int]) -> None:
        """Forgets these keys; unknown ones are passed over."""
        with self._lock:
            self._free_rows([row for key in keys if (row := self._row_of.pop(int(key), -1)) >= 0])

    def _rows(self, keys: list[int]) -> I64:
        return np.fromiter(map(self._row_of.get, keys, repeat(-1)), dtype=np.int64, count=len(keys))

    def _confirmed(self, key: int) -> bool:
        row = self._row_of.get(key, -1)
        return row >= 0 and bool(np.isposinf(self._recheck_at[row]))

    def _make_room(self, needed: int) -> None:
        while len(self._free) < needed and len(self._stamps) < self._capacity:
            self._grow()
        short = needed - len(self._free)
        if short <= 0:
            return
        # All rows are taken or in the free list; free ones have the stamp of the future and are never chosen.
        count = min(len(self._row_of), max(short, self._capacity // _EVICT_SHARE))
        oldest = np.argpartition(self._stamps, count - 1)[:count]
        oldest = oldest[self._stamps[oldest] < self._tick]
        for key in self._keys[oldest].tolist():
            del self._row_of[key]
        self._free_rows(oldest.tolist())

    def _grow(self) -> None:
        before = len(self._stamps)
        rows = min(self._capacity, 2 * before)
        vectors = np.zeros((rows, self.dim), dtype=np.float32)
        vectors[:before] = self._vectors
        self._vectors = vectors
        self._keys = np.resize(self._keys, rows)
        self._stamps = np.resize(self._stamps, rows)
        self._recheck_at = np.resize(self._recheck_at, rows)
        self._free_rows(range(before, rows))

    def _free_rows(self, rows: Iterable[int]) -> None:
        freed = list(rows)
        self._stamps[freed] = np.iinfo(np.int64).max
        self._free.extend(reversed(freed))


def _plain(keys: Sequence[int] | U64) -> list[int]:
    # A dict finds Python ints several times faster than NumPy scalars.
    return keys.tolist() if isinstance(keys, np.ndarray) else list(keys)
