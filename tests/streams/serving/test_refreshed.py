"""What is held in memory of a store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count

import pytest

from streams.serving.refreshed import AHEAD_S, REFRESH_S, Refreshed


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds within some seconds."""
    end = time.monotonic() + 20
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_a_value_is_read_again_once_it_is_old() -> None:
    """While it is fresh the value is the same; who asks after a pause gets what the store says by then."""
    clock, values = SetClock(), count()
    held = Refreshed(lambda: next(values), clock)
    assert held.get() == 0
    clock.now += AHEAD_S
    assert held.get() == 0
    clock.now += REFRESH_S + 1
    assert held.get() == 1


def test_no_answer_waits_for_a_value_that_is_asked_for_often() -> None:
    """It is read beside the answers, which go on with the one that they have until it is there."""
    clock, values, go_on = SetClock(), count(), threading.Event()

    def read() -> int:
        value = next(values)
        if value:
            assert go_on.wait(20)
        return value

    held = Refreshed(read, clock)
    assert held.get() == 0
    clock.now += AHEAD_S + 1
    assert [held.get() for _ in range(5)] == [0] * 5
    go_on.set()
    assert eventually(lambda: held.get() == 1)
    assert next(values) == 2  # it was read once


def test_a_value_that_could_not_be_read_ahead_is_read_when_it_is_too_old() -> None:
    """And who asks then is told why it can't."""
    clock, failed = SetClock(), threading.Event()
    values = iter(["first"])

    def read() -> str:
        try:
            return next(values)
        except StopIteration:
            failed.set()
            raise OSError("the store is away") from None

    held = Refreshed(read, clock)
    held.get()
    clock.now += AHEAD_S + 1
    assert held.get() == "first"
    assert failed.wait(20) and held.get() == "first"
    clock.now += REFRESH_S
    with pytest.raises(OSError, match="away"):
        held.get()
