"""Which unit numbers seem to be in that are no times of today: a question for people, never an answer of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from streams.events.times import TimeForm, seconds_of

EARLIEST_S: Final = 631_152_000.0
"""1990-01-01: logs of clicks don't reach back further, wrong units do."""
_TRIED: Final[tuple[TimeForm, ...]] = (
    "s",
    "yyyymmdd",
    "ms",
    "us",
    "ns",
    "minutes",
    "hours",
    "days",
    "serial",
)
"""In this order; days of 8 digits would be minutes of 2008, and are no dates if they are minutes."""
WORDS: Final[dict[str, str]] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "minutes": "minutes since 1970",
    "hours": "hours since 1970",
    "days": "days since 1970",
    "serial": "a spreadsheet's serial dates",
    "yyyymmdd": "days of 8 digits (20261101)",
}


def likely_form(value: float, now: float) -> TimeForm | None:
    """The form by which a number is a moment between 1990 and tomorrow, if there is one. `now` in unix seconds.

    >>> likely_form(1_793_527_200_000, now=1.8e9), likely_form(20261101, now=1.8e9), likely_form(20758, now=1.8e9)
    ('ms', 'yyyymmdd', 'days')
    """
    for form in _TRIED:
        moment = seconds_of(value, form)
        if moment is not None and EARLIEST_S <= moment <= now + 86400:
            return form
    return None


def commonest_form(values: Iterable[float], now: float) -> TimeForm | None:
    """The likely form of most of these numbers; None where most have none.

    >>> commonest_form([1_793_527_200_000, 1_793_527_201_000, 0], now=1.8e9)
    'ms'
    """
    found = Counter(likely_form(value, now) for value in values)
    if not found:
        return None
    form, count = found.most_common(1)[0]
    return form if 2 * count > found.total() else None


def advice(form: TimeForm) -> str:
    """What to say of it.

    >>> advice("ms")
    'these look like milliseconds: --time ms, or [events] time = "ms"'
    """
    return f'these look like {WORDS[form]}: --time {form}, or [events] time = "{form}"'
