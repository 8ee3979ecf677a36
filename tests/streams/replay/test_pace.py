"""When the events of a log are sent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.replay.pace import Pace, Schedule

TIMES = st.lists(st.floats(0, 1e6), max_size=30)


@given(
    TIMES,
    st.lists(st.integers(0, 30), max_size=4),
    st.sampled_from([Pace(rate=3.0), Pace(speed=60.0), Pace()]),
)
def test_where_batches_end_makes_no_difference(times: list[float], cuts: list[int], pace: Pace) -> None:
    """A log is sent at one pace whatever the borders of batches, and never out of its order."""
    whole = Schedule(pace).due(np.array(times))
    schedule = Schedule(pace)
    parts = [
        schedule.due(part)
        for part in np.split(np.array(times), sorted(cut for cut in cuts if cut <= len(times)))
    ]
    assert np.array_equal(np.concatenate(parts), whole)
    assert (np.diff(whole) >= 0).all()


def test_a_speed_keeps_the_gaps_in_proportion() -> None:
    """An hour of the log is a second at a speed of 3600."""
    assert Schedule(Pace(speed=3600.0)).due(np.array([7200.0, 10800.0, 7300.0, 18000.0])).tolist() == [
        0,
        1,
        1,
        3,
    ]


def test_two_paces_are_one_too_many() -> None:
    """A rate and a speed contradict each other."""
    with pytest.raises(ValueError, match="not both"):
        Pace(1.0, 1.0)
