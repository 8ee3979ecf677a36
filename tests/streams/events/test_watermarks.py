"""Watermarks: what was applied is recognised, per user and source, and no mark is dropped too early."""

from __future__ import annotations

from streams.events.watermarks import advanced, redelivered
from support.data.event_columns import columns_of


def test_events_at_or_below_the_watermark_are_redelivered() -> None:
    """What a user's point has is never applied again, whatever is read again."""
    columns = columns_of([("ada", "a"), ("ben", "b"), ("ada", "c")], offsets=[5, 6, 7], source="s")
    assert redelivered(columns, [{"7": 5}, {"7": 4}], [("7",)], {}).tolist() == [True, False, False]


def test_another_source_has_its_own_watermark() -> None:
    """Offsets of one topic, partition or cluster say nothing about another's."""
    columns = columns_of([("ada", "a")], offsets=[1], source="new")
    assert redelivered(columns, [{"3": 900}], [("4",)], {"3": 901}).tolist() == [False]


def test_what_is_below_the_progress_of_its_source_is_redelivered_without_a_mark() -> None:
    """The user's last writer may have dropped the mark that progress made needless."""
    columns = columns_of([("ada", "a"), ("ada", "b")], offsets=[8, 9], source="s")
    assert redelivered(columns, [{}], [("4",)], {"4": 9}).tolist() == [True, False]


def test_a_name_of_an_earlier_release_is_the_source_s_mark() -> None:
    """A point that was written under a name is recognised, and the next write has the number in its place."""
    columns = columns_of([("ada", "a"), ("ada", "b")], offsets=[5, 6], source="s")
    keys = [("4", "k/t/0", "t")]
    assert redelivered(columns, [{"t": 5}], keys, {}).tolist() == [True, False]
    assert redelivered(columns, [{"t": 5, "4": 6}], keys, {}).tolist() == [True, True]
    assert advanced(columns, [{"t": 5, "other": 1}], keys, {}) == [{"other": 1, "4": 6}]


def test_watermarks_advance_to_the_highest_offset_and_leave_the_old_dicts_alone() -> None:
    """The new watermark is the batch's highest offset, and never lower than before."""
    columns = columns_of([("ada", "a"), ("ada", "b"), ("ben", "c")], offsets=[9, 8, 3], source="s")
    before = [{"1": 1}, {"2": 7}]
    assert advanced(columns, before, [("2",)], {}) == [{"1": 1, "2": 9}, {"2": 7}]
    assert before == [{"1": 1}, {"2": 7}]


def test_a_mark_is_dropped_only_at_or_below_the_progress_of_its_source() -> None:
    """However many sources a user has, none that may come again is forgotten; what progress covers is not kept."""
    mark = {str(number): 10 for number in range(100)}
    columns = columns_of([("ada", "a")], offsets=[0], source="latest")
    finished = {str(number): 10 + number % 3 for number in range(100)}  # 10: one more is under way
    (after,) = advanced(columns, [mark], [("200",)], finished)
    assert after == {str(number): 10 for number in range(0, 100, 3)} | {"200": 0}
