"""doctor: whether the topics can really be read, by a record of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.settings import Settings

Told = tuple[str, bool | None, str, str]
"""name, ok, found, fix"""


def tell_of_records(settings: Settings, partitions: Mapping[str, int | None]) -> list[Told]:
    """One line a topic that is read: codecs, permissions and isolation are found by reading a record, not by asking."""
    from streams.newest_records import newest_records

    wanted = [*settings.topics.by_action().values(), settings.topics.name("items")]
    there = {name: count for name in wanted if (count := partitions.get(name)) is not None}
    told: list[Told] = []
    for topic, newest in newest_records(settings.broker, there, most=1).items():
        if newest.problem is not None:
            told.append((f"read {topic}", False, "not readable", newest.problem))
        elif not newest.records:
            told.append((f"read {topic}", None, "no record in it yet", ""))
        else:
            held = len({record.partition for record in newest.records})
            told.append((f"read {topic}", True, f"the newest record of {held} partitions was read", ""))
    return told
