"""doctor: which hash places each topic's events on partitions, and whether their keys are their users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.broker.key_placement import KeyPlacement, Sampled

Finding = tuple[str, bool | None, str, str]
"""name, ok, found, fix"""
COSTS: Final = "; states are exact either way, only slower with several workers on a server store"


def tell_of_placement(topics: Mapping[str, tuple[Sequence[Sampled], int]]) -> list[Finding]:
    """One line a topic, one more where topics differ in their hash. Never tells a key or a user.

    Args:
        topics: by name, some of the newest records and the partition count. With one partition there is nothing to say.
    """
    from streams.broker.key_placement import placement, producer_advice

    findings: list[Finding] = []
    hashes: dict[int, dict[str, str]] = {}
    for topic, (records, partitions) in topics.items():
        if partitions < 2 or not records:
            continue
        found = placement(records, partitions)
        step = producer_advice(found)
        findings.append(
            (f"keys of {topic}", None if step else True, words(found), step + COSTS if step else "")
        )
        if found.hash in ("murmur2", "crc32"):
            hashes.setdefault(partitions, {})[topic] = found.hash
    for alike in hashes.values():
        if len(set(alike.values())) > 1:
            listed = ", ".join(f"{topic} by {name}" for topic, name in alike.items())
            findings.append(
                (
                    "hashes",
                    None,
                    f"topics are placed by different hashes: {listed}",
                    "let all producers hash alike: librdkafka and what is built on it with "
                    f"partitioner=murmur2_random{COSTS}",
                )
            )
    return findings


def words(placement: KeyPlacement) -> str:
    """What the sample of a topic says.

    >>> from streams.broker.key_placement import Sampled, placement
    >>> words(placement([Sampled(0, None, "ada"), Sampled(1, None, "ada")], 2))
    '2 newest records on 2 partitions: 2 without a key; 1 of 1 users on several partitions'
    """
    placed = {
        "murmur2": "placed by murmur2 (Java's hash)",
        "crc32": "placed by CRC-32 (librdkafka's default)",
        "both": "placed by two hashes, murmur2 and CRC-32",
        "none": "keys placed by neither murmur2 nor CRC-32",
        "unknown": "too few keys to tell the hash" if placement.keys else "",
    }[placement.hash]
    parts = [placed] if placed else []
    if placement.null_keys:
        parts.append(f"{placement.null_keys} without a key")
    if placement.other_keys:
        parts.append(f"{placement.other_keys} with a key that is not the user_id")
    if placement.keys and placement.users and not placement.null_keys and not placement.other_keys:
        parts.append("keys are the user ids")
    if placement.users:
        parts.append(f"{placement.scattered} of {placement.users} users on several partitions")
    else:
        parts.append("none tells a user")
    return f"{placement.records} newest records on {placement.partitions} partitions: {'; '.join(parts)}"
