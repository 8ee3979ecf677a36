"""What happened to a user's interest, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LATEST: Final = 12
"""Events that the sentence looks back on."""
MOVED: Final = 0.1
"""A leading scenario whose weight is this much above its share of the mass was moved to."""
LEAD: Final = 0.5
"""A lighter first scenario does not lead alone."""
DAY_S: Final = 86400.0


@dataclass(frozen=True, slots=True)
class WeightedScenario:
    """A scenario's weight in the fused vector, and how much of it is beyond its share of the mass."""

    name: str
    weight: float
    moved: float


def summary(
    scenarios: Sequence[WeightedScenario], latest: Sequence[tuple[float, str]], updated_at: float
) -> str:
    """The sentence.

    Args:
        scenarios: by weight, heaviest first.
        latest: (unix seconds, scenario) of the user's latest events, oldest first; the last `LATEST` are looked at.
        updated_at: time of the latest event, unix seconds.

    >>> games, garden = WeightedScenario("games", 0.8, 0.6), WeightedScenario("garden", 0.2, -0.6)
    >>> events = [(1767052800.0, "garden"), (1767139200.0, "games"), (1767225600.0, "games")]
    >>> summary([games, garden], events, 1767225600.0)
    'moved to games: 2 of the last 3 events, since 31 December'
    """
    latest = latest[-LATEST:]
    if not scenarios or not latest:
        return "nothing that was liked yet"
    first = scenarios[0]
    if len(latest) == 1:
        return f"one event so far, in {latest[0][1]}"
    times = [time for time, name in latest if name == first.name]
    if first.weight < LEAD and len(scenarios) > 1:
        second = scenarios[1]
        return (
            f"between {first.name} ({first.weight:.0%}) and {second.name} ({second.weight:.0%}): "
            f"{len(times)} and {sum(name == second.name for _, name in latest)} of the last {len(latest)} events"
        )
    if not times:
        return f"still {first.name}, though none of the last {len(latest)} events is there"
    counted = f"{len(times)} of the last {len(latest)} events"
    if first.moved >= MOVED:
        return f"moved to {first.name}: {counted}, since {_since(times[0], updated_at)}"
    if len(scenarios) == 1:
        return f"only {first.name} so far: {counted}, since {_since(times[0], updated_at)}"
    return f"stays with {first.name}: {counted}"


def _since(time: float, updated_at: float) -> str:
    """The day; within a day of the latest event the time, and in another year the year too."""
    moment, end = (datetime.fromtimestamp(at, UTC) for at in (time, updated_at))
    if updated_at - time < DAY_S:
        return f"{moment:%H:%M} UTC on {moment.day} {moment:%B}"
    year = f" {moment.year}" if moment.year != end.year and (end - moment).days > 300 else ""
    return f"{moment.day} {moment:%B}{year}"
