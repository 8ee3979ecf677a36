"""Which parts of a batch make its processing fail."""

from __future__ import annotations

from collections.abc import Callable


class TooManyFailures(Exception):
    """More than allowed fail: the fault is not theirs."""


def bisect_failures(
    count: int,
    attempt: Callable[[int, int], object],
    *,
    most: int,
    is_theirs: Callable[[Exception], bool] = lambda error: True,
) -> list[tuple[int, Exception]]:
    """Positions of 0..count that fail on their own, in order, each with its error; by halving what fails.

    `attempt(start, stop)` tries start:stop. An error that is not theirs says nothing about them and is raised on. With c
    failures about 2 c log2(count / c) attempts are made.

    Raises:
        TooManyFailures: more than `most`; the last one's error is its cause.

    >>> def attempt(start, stop):
    ...     if start <= 5 < stop:
    ...         raise ValueError("no six")
    >>> bisect_failures(100, attempt, most=3)
    [(5, ValueError('no six'))]
    """
    failures: list[tuple[int, Exception]] = []
    untried = [(0, count)] if count else []
    while untried:
        start, stop = untried.pop()
        try:
            attempt(start, stop)
        except Exception as error:
            if not is_theirs(error):
                raise
            if stop - start > 1:
                middle = (start + stop) // 2
                untried += [(middle, stop), (start, middle)]
                continue
            failures.append((start, error))
            if len(failures) > most:
                raise TooManyFailures(
                    f"{len(failures)} of {count} fail, the last with {type(error).__name__}"
                ) from error
    return failures
