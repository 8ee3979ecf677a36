"""Finding what makes a batch fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.bisect import TooManyFailures, bisect_failures
from streams.worker.reject_budget import MOST, RejectBudget


@given(st.integers(0, 200), st.sets(st.integers(0, 199), max_size=20))
def test_exactly_what_fails_is_found(count: int, bad: set[int]) -> None:
    """Each of them, in order, and nobody else, in about 2 c log2(n / c) attempts."""
    bad = {position for position in bad if position < count}
    attempts = 0

    def attempt(start: int, stop: int) -> None:
        nonlocal attempts
        attempts += 1
        for position in range(start, stop):
            if position in bad:
                raise ValueError(position)

    found = bisect_failures(count, attempt, most=20)
    assert [position for position, _ in found] == sorted(bad)
    assert [error.args for _, error in found] == [(position,) for position in sorted(bad)]
    assert attempts <= 1 + 2 * len(bad) * (1 + max(count, 1).bit_length())


def test_an_error_that_is_not_theirs_is_raised_on() -> None:
    """A store that goes away during the search is no event's fault."""

    def attempt(start: int, stop: int) -> None:
        raise (OSError("away") if stop - start <= 2 else ValueError("bad"))

    with pytest.raises(OSError, match="away"):
        bisect_failures(8, attempt, most=8, is_theirs=lambda error: isinstance(error, ValueError))


def test_what_fails_only_together_has_no_failure_of_its_own() -> None:
    """Then the caller has to fail: dropping single events would not help."""

    def attempt(start: int, stop: int) -> None:
        if stop - start > 3:
            raise ValueError("too many at once")

    assert bisect_failures(16, attempt, most=3) == []


def test_the_search_ends_when_too_many_fail() -> None:
    """If everything fails it is not looked at one by one to the end."""
    tried: list[int] = []

    def attempt(start: int, stop: int) -> None:
        tried.append(stop - start)
        raise ValueError("bad")

    with pytest.raises(TooManyFailures, match="6 of 1000 fail"):
        bisect_failures(1000, attempt, most=5)
    assert tried.count(1) == 6


def test_tolerance_is_spent_by_failures_and_earned_by_what_goes_through() -> None:
    """About one event in ten may fail forever; everything may fail only briefly."""
    tolerance = RejectBudget()
    for round_ in range(10_000):
        tolerance.earn(9)
        assert tolerance.left >= 1
        tolerance.spend(round_ % 2)
    spent = 0
    while tolerance.left >= 1:
        tolerance.spend(1)
        spent += 1
    assert spent <= MOST
