"""How long calls tell how far they are."""

from collections.abc import Callable

OnProgress = Callable[[int], None]
"""Gets how many texts of a call are done, in small steps."""


def from_totals(advance: Callable[[int], None]) -> OnProgress:
    """A function for those who report all that is done so far; `advance` gets what is new.

    >>> steps = []
    >>> report = from_totals(steps.append)
    >>> report(3); report(5); steps
    [3, 2]
    """
    before = 0

    def report(total: int) -> None:
        nonlocal before
        advance(total - before)
        before = total

    return report
