"""doctor: whether the topics can be read, and how their newest records are placed on partitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.cli.doctor_placement import Finding
    from streams.settings import Settings

SAMPLE = 200
"""Records of a topic that are looked at: enough to tell hashes apart, few enough to be read in a second."""


def tell_of_records(settings: Settings, partitions: Mapping[str, int | None]) -> list[Finding]:
    """One line a topic that is read: codecs, permissions and isolation are found by reading records, not by asking. Another
    for how an event topic's records are placed.
    """
    from streams.broker.newest_records import newest_records
    from streams.cli.doctor_placement import tell_of_placement

    events = list(settings.topics.by_action().values())
    wanted = [*events, settings.topics.name("items")]
    existing = {name: count for name in wanted if (count := partitions.get(name)) is not None}
    findings: list[Finding] = []
    found = newest_records(settings.broker, existing, most=SAMPLE)
    for topic, newest in found.items():
        if newest.problem is not None:
            findings.append((f"read {topic}", False, "not readable", newest.problem))
        elif not newest.records:
            findings.append((f"read {topic}", None, "no record in it yet", ""))
        else:
            held = len({record.partition for record in newest.records})
            findings.append((f"read {topic}", True, f"the newest record of {held} partitions was read", ""))
    return findings + tell_of_placement(
        {topic: (found[topic].records, existing[topic]) for topic in events if topic in found}
    )
