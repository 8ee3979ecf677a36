"""What stands in the place of a user that was forgotten or dropped: the user's point, without anything of the user.

Its id is the UUID of the user id, and it has no vector, no user id and no state. It says one of

- *forgotten at* a time: no event of the user applies, whatever its time and wherever it comes from, until a consent;
- *emptied*: the user may begin again. It keeps the marks that a new state has to begin with: after a consent `SINCE`, the time
  up to which no event ever counts; after retention those of sources that are not through yet.

The point is owned and written like any user's (`sinks.writer`). So a process that holds the user in memory is refused, claims
it and finds this; and a zombie, a late request, a rebuild or a repair can't bring the user back. An emptied point that an event
is applied to becomes a user's again, and `SINCE` stays among its marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sinks.collection import Payload
from sinks.points import UserRecord

TOMBSTONE: Final = "tombstone"
"""The integer field that these points have, and no user."""
FORGOTTEN_AT: Final = "forgotten_at"
"""Microseconds since the epoch, an integer: floats come back from an engine with another last bit. Not there in one that was
emptied."""
SINCE: Final = " since"
"""Among a user's watermarks: microseconds since the epoch. Events up to then never apply. No source has this name."""
FOREVER: Final = 2**63 - 1
"""The SINCE of a user that is forgotten."""


def is_tombstone(payload: Payload) -> bool:
    """Whether a point of the users is one."""
    return TOMBSTONE in payload


def forgotten_at(payload: Payload) -> int | None:
    """Since when the point's user is forgotten, microseconds since the epoch; None: it isn't."""
    return int(payload[FORGOTTEN_AT]) if FORGOTTEN_AT in payload else None


def forgotten(micros: int) -> Payload:
    """A tombstone of a user that was forgotten at a time, microseconds since the epoch."""
    return {TOMBSTONE: 1, FORGOTTEN_AT: micros}


def emptied(watermarks: Mapping[str, int]) -> Payload:
    """One of a user that may begin again with these marks."""
    return {TOMBSTONE: 1, "watermarks": dict(watermarks)}


def as_micros(at: float) -> int:
    """A time, unix seconds, as points hold it.

    >>> as_micros(1.5)
    1500000
    """
    return int(at * 1_000_000)


def emptied_record(user_id: str, payload: Payload, writer: int) -> UserRecord:
    """An emptied point as the user that it will be."""
    marks: Mapping[str, Any] = payload.get("watermarks") or {}
    watermarks = {source: int(offset) for source, offset in marks.items()}
    return UserRecord(user_id, b"", watermarks, {}, 0.0, None, None, writer)
