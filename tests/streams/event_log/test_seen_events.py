"""Which events were met before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.event_log.seen_events import SeenEvents
from support.data.event_columns import columns_of

PAIRS = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("wxyz")), min_size=1, max_size=12), max_size=8
)


@given(PAIRS)
def test_an_event_is_met_first_once(batches: list[list[tuple[str, str]]]) -> None:
    """By its user and its identity, within a batch and over all of them."""
    seen, known = SeenEvents(), set()
    for batch in batches:
        events = [
            {"user_id": user, "item_id": "i", "timestamp": 1.7e9, "scenario": "s", "event_id": event}
            for user, event in batch
        ]
        expected = []
        for pair in batch:
            expected.append(pair not in known)
            known.add(pair)
        assert seen.first(columns_of(events)).tolist() == expected
        assert len(seen) == len(known)


def test_many_batches_are_few_arrays() -> None:
    """What was met is moved seldom: sorted arrays that double, not one that is sorted anew."""
    seen = SeenEvents()
    for batch in range(200):
        columns = columns_of([(f"u{n}", f"i{batch}") for n in range(50)])
        assert seen.first(columns).all()
        assert not seen.first(columns).any()
    assert len(seen) == 10_000
    assert len(seen._levels) < 12
