"""Batches of events as arrays over small tables."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.events.columns import (
    EventColumns,
    concatenate,
    empty,
    factorise,
    factorise_optional,
    take_events,
)
from support.data.event_rows import check_columns, rows_of

events = st.tuples(
    st.sampled_from(["u1", "u2", "ü3"]),
    st.sampled_from([None, "i1", "i2", "i3"]),
    st.sampled_from(["books", "games"]),
    st.sampled_from([None, "a question", "a review"]),
    st.floats(0, 2e9),
    st.integers(0, 2),
    st.integers(1, 2**64 - 1),
    st.sampled_from(["c/clicks/0", "c/clicks/1"]),
    st.integers(0, 2**62),
)


def columns_of(rows: list[tuple]) -> EventColumns:
    user, users = factorise(row[0] for row in rows)
    item, items = factorise_optional(row[1] for row in rows)
    scenario, scenarios = factorise(row[2] for row in rows)
    text, texts = factorise_optional(row[3] for row in rows)
    source, sources = factorise(row[7] for row in rows)
    return EventColumns(
        user=user,
        users=users,
        item=item,
        items=items,
        scenario=scenario,
        scenarios=scenarios,
        text=text,
        texts=texts,
        time=np.array([row[4] for row in rows], np.float64),
        action=np.array([row[5] for row in rows], np.uint8),
        key=np.array([row[6] for row in rows], np.uint64),
        source=source,
        sources=sources,
        offset=np.array([row[8] for row in rows], np.int64),
    )


@given(st.lists(st.lists(events, max_size=6), max_size=4))
def test_concatenated_parts_hold_all_events_in_order(parts):
    """Joining batches changes neither an event nor the order."""
    joined = concatenate([columns_of(part) for part in parts])
    check_columns(joined)
    expected = [(*row[:5], row[5], *row[6:]) for part in parts for row in part]
    assert rows_of(joined, with_source=True) == expected


@given(st.lists(events, max_size=10), st.data())
def test_taken_rows_are_the_events_that_were_asked_for(rows, data):
    """An index or a mask selects events, and the tables keep only what these use."""
    columns = columns_of(rows)
    index = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=12)) if rows else []
    chosen = take_events(columns, np.array(index, np.intp))
    check_columns(chosen)
    assert rows_of(chosen, with_source=True) == [rows[i] for i in index]
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    masked = take_events(columns, mask)
    check_columns(masked)
    assert rows_of(masked, with_source=True) == [row for row, kept in zip(rows, mask, strict=True) if kept]


def test_users_of_a_taken_batch_are_those_who_acted_in_it():
    """Nobody reads the state of a user who has no event in the batch."""
    columns = columns_of(
        [("u1", "i", "s", None, 1.0, 0, 1, "c", 0), ("u2", "i", "s", None, 2.0, 0, 2, "c", 1)]
    )
    assert take_events(columns, np.array([False, True])).users == ["u2"]


def test_taking_leaves_the_original_as_it_was():
    """A batch is never changed in place."""
    columns = columns_of([("u1", "i", "s", None, 1.0, 0, 1, "c", 0)])
    part = take_events(columns, np.array([True]))
    part.users.append("x")
    assert columns.users == ["u1"]


def test_no_parts_are_an_empty_batch():
    """Nothing joined is an empty batch of the right types."""
    check_columns(empty())
    check_columns(concatenate([]))
    assert len(concatenate([empty(), empty()])) == 0
