"""What is held in memory of a store."""

from __future__ import annotations

from itertools import count

from streams.serving.refreshed import REFRESH_S, Refreshed


def test_a_value_is_read_again_once_it_is_old() -> None:
    """Within a minute the value is the same; after it what the store says by then."""
    times, values = iter([0.0, REFRESH_S, REFRESH_S + 1, REFRESH_S + 1]), count()
    held = Refreshed(lambda: next(values), clock=lambda: next(times))
    assert [held.get(), held.get(), held.get()] == [0, 0, 1]
