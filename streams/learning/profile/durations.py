"""Half-lives and gaps as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from streams.learning.profile.clock import Clock

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def duration(seconds: float, clock: Clock) -> str:
    """In the largest unit that it fills; in events where the timestamps are positions.

    >>> clock = Clock("seconds", 1.0, 0.0, 0.5)
    >>> duration(380160.0, clock), duration(90.0, clock), duration(math.inf, clock)
    ('4.4 d', '1.5 min', 'all time')
    """
    if math.isinf(seconds):
        return "all time"
    if clock.kind == "positions":
        return f"{seconds:.3g} event{'' if seconds == 1 else 's'}"
    size, unit = next((pair for pair in _UNITS if seconds >= pair[0]), _UNITS[-1])
    return f"{seconds / size:.3g} {unit}"


def durations(seconds: Sequence[float], clock: Clock) -> str:
    """Several of them, with commas."""
    return ", ".join(duration(one, clock) for one in seconds)
