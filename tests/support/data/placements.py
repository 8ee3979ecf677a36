"""Events placed on partitions as producers do it, rightly and wrongly, and fetched as a consumer would."""

from __future__ import annotations

import random
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from streams.worker.batch import LaneBatch
from support.data.event_columns import event
from support.fakes.lane_story import batch

Placing = Callable[[int, str, random.Random], int]
"""From an event's number and its user to the partition number that it goes to."""

PLACEMENTS: dict[str, Placing] = {
    "null keys": lambda number, user, rng: rng.randrange(4),
    "keys by session": lambda number, user, rng: (number // 7) % 4,
    "two hashes": lambda number, user, rng: (zlib.crc32, zlib.adler32)[number % 2](user.encode()) % 4,
    "partitions added": lambda number, user, rng: zlib.crc32(user.encode()) % (2 if number < 300 else 5),
}
KINDS = ("browse", "click", "purchase")


def some_events(count: int, users: int, seed: int, prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Events with the kinds that they are of, each with an id of its own."""
    rng = random.Random(seed)
    return [
        (
            rng.choice(KINDS),
            event(
                f"u{rng.randrange(users)}",
                f"i{rng.randrange(40)}",
                at=10.0 * number,
                scenario=rng.choice(["books", "games", "music"]),
                event_id=f"{prefix}{seed}-{number}",
            ),
        )
        for number in range(count)
    ]


def fetches(
    events: Sequence[tuple[str, dict[str, Any]]], placing: Placing, seed: int, size: int = 12
) -> list[LaneBatch]:
    """The events as fetches of at most `size` records, in the order in which the partitions would give them."""
    rng = random.Random(seed)
    waiting: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    offsets: dict[tuple[str, int], int] = defaultdict(int)
    found: list[LaneBatch] = []

    def fetch(where: tuple[str, int]) -> None:
        kind, partition = where
        rows = waiting.pop(where)
        found.append(batch(*rows, first=offsets[where], kind=kind, partition=partition))
        offsets[where] += len(rows)

    for number, (kind, row) in enumerate(events):
        where = kind, placing(number, row["user_id"], rng)
        waiting[where].append(row)
        if len(waiting[where]) >= size or rng.random() < 0.05:
            fetch(where)
    for where in list(waiting):
        fetch(where)
    return found


def as_one_log(events: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[LaneBatch]:
    """The same events through one partition of each topic, for the truth."""
    yield from fetches(events, lambda number, user, rng: 0, 0, size=500)
