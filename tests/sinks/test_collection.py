"""Batches of points."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sinks.collection import PointBatch, VectorRows, last_rows


def batch_of(rows_each: list[int], sizes: list[int] | None = None) -> PointBatch:
    """Points 0, 1, ... whose multivector rows all hold the point's number."""
    n = len(rows_each)
    offsets = np.concatenate([[0], np.cumsum(rows_each)]).astype(np.int64)
    numbers = np.arange(n, dtype=np.float32)
    return PointBatch(
        list(range(n)),
        {
            "one": VectorRows(np.repeat(numbers[:, None], 2, axis=1)),
            "many": VectorRows(np.repeat(np.repeat(numbers, rows_each)[:, None], 2, axis=1), offsets),
        },
        [{"number": number} for number in range(n)],
        np.array(sizes if sizes is not None else [1] * n, np.int64),
    )


def assert_consistent(batch: PointBatch, rows_each: list[int]) -> None:
    many = batch.vectors["many"]
    assert many.offsets is not None and many.offsets[0] == 0 and many.offsets[-1] == len(many.rows)
    assert len(many.offsets) == len(batch.keys) + 1
    for position, key in enumerate(batch.keys):
        assert batch.payloads[position] == {"number": key}
        assert (batch.vectors["one"].rows[position] == key).all()
        rows = many.rows[many.offsets[position] : many.offsets[position + 1]]
        assert len(rows) == rows_each[int(key)] and (rows == key).all()


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 100)), max_size=40),
    st.integers(1, 10),
    st.integers(1, 250),
)
def test_splits_stay_within_both_bounds(points: list[tuple[int, int]], most: int, most_bytes: int) -> None:
    """Parts hold all points in order, each within the bounds unless one point alone is too large."""
    rows_each, sizes = [rows for rows, _ in points], [size for _, size in points]
    parts = list(batch_of(rows_each, sizes).split(most, most_bytes))
    assert [key for part in parts for key in part.keys] == list(range(len(points)))
    for part in parts:
        assert_consistent(part, rows_each)
        assert 1 <= len(part.keys) <= most
        assert len(part.keys) == 1 or part.n_bytes.sum() <= most_bytes
    for part, following in pairwise(parts):
        full = len(part.keys) == most or part.n_bytes.sum() + following.n_bytes[0] > most_bytes
        assert full, "a part was cut short without need"


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.data())
def test_taken_points_keep_their_rows(rows_each: list[int], data: st.DataObject) -> None:
    """Points picked in any order bring their own vectors and payloads along."""
    positions = data.draw(st.lists(st.integers(0, len(rows_each) - 1), max_size=20))
    taken = batch_of(rows_each).take(np.array(positions, np.int64))
    assert taken.keys == positions
    assert_consistent(taken, rows_each)


@given(st.lists(st.integers(0, 5)))
def test_last_row_of_each_key(keys: list[int]) -> None:
    """The rows kept are those that nothing later overwrites, in their order."""
    rows = last_rows(keys)
    kept = list(range(len(keys))) if rows is None else rows.tolist()
    assert kept == [row for row, key in enumerate(keys) if key not in keys[row + 1 :]]
