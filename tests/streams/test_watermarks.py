"""Watermarks: what was applied is recognised, per user and source."""

from __future__ import annotations

from streams.watermarks import MAX_SOURCES, advanced, redelivered
from support.event_columns import columns_of


def test_events_at_or_below_the_watermark_are_redelivered() -> None:
    """What a user's point has is never applied again, whatever is read again."""
    columns = columns_of([("ada", "a"), ("ben", "b"), ("ada", "c")], offsets=[5, 6, 7], source="k/clicks/0")
    marks = [{"k/clicks/0": 5}, {"k/clicks/0": 4}]
    assert redelivered(columns, marks).tolist() == [True, False, False]


def test_another_source_has_its_own_watermark() -> None:
    """Offsets of one topic, partition or cluster say nothing about another's."""
    columns = columns_of([("ada", "a")], offsets=[1], source="new-cluster/clicks/0")
    assert redelivered(columns, [{"old-cluster/clicks/0": 900}]).tolist() == [False]


def test_watermarks_advance_to_the_highest_offset_and_leave_the_old_dicts_alone() -> None:
    """The new watermark is the batch's highest offset, and never lower than before."""
    columns = columns_of([("ada", "a"), ("ada", "b"), ("ben", "c")], offsets=[9, 8, 3], source="s")
    before = [{"t": 1}, {"s": 7}]
    assert advanced(columns, before) == [{"t": 1, "s": 9}, {"s": 7}]
    assert before == [{"t": 1}, {"s": 7}]


def test_the_least_recently_used_source_is_forgotten() -> None:
    """A user's point does not grow with the number of logs ever replayed."""
    mark = {f"log{number}": number for number in range(MAX_SOURCES)}
    columns = columns_of([("ada", "a")], offsets=[0], source="latest")
    (after,) = advanced(columns, [mark])
    assert len(after) == MAX_SOURCES
    assert "log0" not in after and "latest" in after
